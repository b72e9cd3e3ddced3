"""The data sets that scikit-learn brings: its numbers, with our shapes and dtypes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from nn.data import DataLoader, TabularDataset, load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

LOADERS = [load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine]


@pytest.mark.parametrize("load", LOADERS, ids=lambda load: load.__name__)
def test_numbers_are_scikit_learns(load: Any) -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="the data is scikit-learn's")
    theirs, ours = getattr(datasets, load.__name__)(), load()
    x, y = (t.numpy() for t in ours.tensors)
    assert isinstance(ours, TabularDataset)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, theirs.data.astype(np.float32))
    np.testing.assert_array_equal(y.reshape(-1), theirs.target)
    assert (y.dtype, y.shape[1:]) == ((np.float32, (1,)) if load is load_diabetes else (np.int64, ()))
    assert ours.feature_names == tuple(map(str, theirs.feature_names))
    assert len(ours.feature_names) == x.shape[1]
    if load is not load_diabetes:
        assert ours.target_names == tuple(map(str, theirs.target_names))
    assert len(ours.description) > 100
    batch = next(iter(DataLoader(ours, 16, shuffle=True)))
    assert [part.shape[0] for part in batch] == [16, 16]


def test_digits_as_images() -> None:
    pytest.importorskip("sklearn", reason="the data is scikit-learn's")
    images = load_digits(as_images=True)
    assert images.tensors[0].shape == (1797, 1, 8, 8)
    np.testing.assert_array_equal(images.tensors[0].numpy().reshape(-1, 64), load_digits().tensors[0].numpy())


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"load_iris needs scikit-learn, .*python -m pip install 'glassgrad\[sklearn\]'"):
        load_iris()
