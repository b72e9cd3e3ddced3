"""Small data sets that come with scikit-learn: no download, no network."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff.graph import wrap

from .dataset import TensorDataset


class TabularDataset(TensorDataset):
    """Features and targets, with their names.

    feature_names  of the columns
    target_names   of the classes; of the one quantity in a regression
    description    where the data comes from and what it means

    >>> data = TabularDataset(np.zeros((2, 1)), np.zeros(2), feature_names=["age"], target_names=["height"])
    >>> data.feature_names
    ('age',)
    """

    def __init__(self, *tensors: Any, feature_names: Any = (), target_names: Any = (), description: str = "", **transforms: Any):
        super().__init__(*tensors, **transforms)
        self.feature_names, self.target_names = tuple(map(str, feature_names)), tuple(map(str, target_names))
        self.description = description


def _load(name: str) -> Any:
    try:
        from sklearn import datasets
    except ImportError:
        raise ImportError(
            f"{name} needs scikit-learn, which comes with this data: python -m pip install 'glassgrad[sklearn]'"
        ) from None
    return getattr(datasets, name)()


def _classes(name: str) -> TabularDataset:
    bunch = _load(name)
    return TabularDataset(
        bunch.data.astype(np.float32),
        bunch.target.astype(np.int64),
        feature_names=bunch.feature_names,
        target_names=bunch.target_names,
        description=bunch.DESCR,
    )


def load_digits(as_images: bool = False) -> TabularDataset:
    """Return 1,797 handwritten digits of 8 x 8 pixels: features (64,) float32 from 0 to 16, class int64 from 0 to 9.

    as_images  features as images of shape (1, 8, 8)

    >>> pixels, digit = load_digits()[0]
    >>> pixels.shape, digit.item()
    ((64,), 0)
    """
    data = _classes("load_digits")
    if as_images:
        data.tensors = (wrap(data.tensors[0]._data.reshape(-1, 1, 8, 8)), data.tensors[1])
    return data


def load_iris() -> TabularDataset:
    """Return 150 irises: four lengths in cm, float32, and one of three species, int64.

    >>> load_iris().target_names
    ('setosa', 'versicolor', 'virginica')
    """
    return _classes("load_iris")


def load_wine() -> TabularDataset:
    """Return 178 wines: 13 measurements, float32, and one of three cultivars, int64.

    >>> len(load_wine())
    178
    """
    return _classes("load_wine")


def load_breast_cancer() -> TabularDataset:
    """Return 569 tumours: 30 measurements, float32, and malignant (0) or benign (1), int64.

    >>> load_breast_cancer().target_names
    ('malignant', 'benign')
    """
    return _classes("load_breast_cancer")


def load_diabetes() -> TabularDataset:
    """Return 442 patients: 10 standardised measurements, float32, and the disease's progress in a year, (1,) float32.

    The target has shape (1,), and a batch of them (N, 1), as the output of a model with one output has.

    >>> load_diabetes()[0][1].tolist()
    [151.0]
    """
    bunch = _load("load_diabetes")
    return TabularDataset(
        bunch.data.astype(np.float32),
        bunch.target.astype(np.float32)[:, None],
        feature_names=bunch.feature_names,
        target_names=["progression"],
        description=bunch.DESCR,
    )
