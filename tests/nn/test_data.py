"""Data sets and the loader: every sample once, in an order that the generator decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.data import DataLoader, Dataset, TensorDataset

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10)


def order(loader: DataLoader) -> list[int]:
    return [int(i) for _, y in loader for i in y.tolist()]


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "sizes"),
    [(3, False, [3, 3, 3, 1]), (3, True, [3, 3, 3]), (10, True, [10]), (99, False, [10]), (99, True, [])],
)
def test_batches_have_their_size(batch_size: int, drop_last: bool, sizes: list[int]) -> None:
    loader = DataLoader((X, Y), batch_size, drop_last=drop_last)
    batches = list(loader)
    assert [len(x) for x, _ in batches] == sizes
    assert len(loader) == len(sizes)
    for x, y in batches:
        assert isinstance(x, ad.Tensor)
        np.testing.assert_array_equal(x.numpy(), X[y.numpy()])


def test_shuffling_is_a_new_permutation_in_each_epoch_that_the_generator_decides() -> None:
    first, second = (DataLoader((X, Y), 3, shuffle=True, generator=np.random.default_rng(4)) for _ in range(2))
    epochs = [order(first), order(first)]
    assert epochs == [order(second), order(second)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))
    assert epochs[0] != epochs[1]
    assert order(DataLoader((X, Y), 3)) == list(range(10))


def test_without_a_generator_the_seed_decides() -> None:
    nn.manual_seed(1)
    first = order(DataLoader((X, Y), 3, shuffle=True))
    nn.manual_seed(1)
    assert order(DataLoader((X, Y), 3, shuffle=True)) == first


def test_dtypes_are_kept_and_batches_are_copies() -> None:
    data = X.astype(np.float32)
    ((x, y),) = list(DataLoader((data, Y.astype(np.int8)), 10))
    assert (x.dtype, y.dtype) == (np.float32, np.int8)
    x[0] = 100
    assert data[0, 0] == 0
    assert DataLoader((data, Y), 10).dataset[0][0].tolist() == [0.0, 1.0]


def test_arrays_and_tensors_alone() -> None:
    assert [batch.tolist() for batch in DataLoader(Y, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [batch.tolist() for batch in DataLoader(ad.Tensor(Y), 8)] == [list(range(8)), [8, 9]]


class Squares:
    """A data set as a user writes one."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": np.full(2, index), "pair": (index, float(index**2))}


def test_a_data_set_of_ones_own_is_collated() -> None:
    assert isinstance(Squares(), Dataset)
    first, second = DataLoader(Squares(), 3)
    assert first["x"].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert [part.tolist() for part in first["pair"]] == [[0, 1, 2], [0.0, 1.0, 4.0]]
    assert second["x"].shape == (1, 2)


def test_samples_of_different_shapes_are_refused() -> None:
    class Ragged(Squares):
        def __getitem__(self, index: int) -> Any:
            return np.ones(index)

    with pytest.raises(ValueError, match=r"the samples of a batch differ in shape: \(0,\), \(1,\); pad them"):
        next(iter(DataLoader(Ragged(), 2)))


def test_a_tensor_data_set_reads_rows() -> None:
    data = TensorDataset(X, ad.Tensor(Y))
    assert len(data) == 10
    x, y = data[3]
    assert x.tolist() == [6.0, 7.0]
    assert y.item() == 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TensorDataset(), ValueError, "give at least one array"),
        (lambda: TensorDataset(X, Y[:3]), ValueError, r"must be equally long, got shapes \(10, 2\), \(3,\)"),
        (lambda: TensorDataset(X, np.array(1)), ValueError, r"must be equally long, got shapes \(10, 2\), \(\)"),
        (lambda: TensorDataset(np.array(1)), ValueError, "must be equally long"),
        (lambda: DataLoader((X, Y), 0), ValueError, "batch_size must be a positive integer, got 0"),
        (lambda: DataLoader((X, Y), 2.0), ValueError, "batch_size must be a positive integer, got 2.0"),
        (lambda: DataLoader((X, Y), True), ValueError, "batch_size must be a positive integer, got True"),
        (lambda: DataLoader(5), TypeError, r"expected arrays or a Dataset \(len\(\) and items\), got int"),
        (lambda: DataLoader((X, Y), generator=3), TypeError, "expected a numpy.random.Generator or None, got int"),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_subclass_of_tensor_dataset_has_items_of_its_own() -> None:
    class Brighter(nn.data.TensorDataset):
        def __getitem__(self, index: Any) -> tuple[ad.Tensor, ...]:
            return tuple(part * 10 for part in super().__getitem__(index))

    assert [x.tolist() for (x,) in nn.data.DataLoader(Brighter(np.arange(3.0)), batch_size=2)] == [[0.0, 10.0], [20.0]]


@pytest.mark.parametrize("together", [False, True])
def test_tracked_samples_stay_in_the_graph(together: bool) -> None:
    x = ad.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    for batch in nn.data.DataLoader((x,) if together else x, batch_size=2):
        part = batch[0] if together else batch
        (part * part).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (np.array(["a", "b"]), "expected arrays of numbers, got dtype <U1"),
        (np.array([None, 1], dtype=object), "expected arrays of numbers, got dtype object"),
        (np.array(1.0), "a single number has no samples"),
        (ad.Tensor(1.0), "a single number has no samples"),
        ({"x": np.zeros(3)}, "expected arrays or a Dataset .* got dict"),
        ("abc", "expected arrays or a Dataset .* got str"),
    ],
)
def test_what_is_no_data_set_is_refused(dataset: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        nn.data.DataLoader(dataset)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([(1, 2), (1,)], "a tuple of 2 and a tuple of 1"),
        ([{"a": 1}, {"b": 1}], "a dict of 'a' and a dict of 'b'"),
        ([(1, 2), 1], "a tuple of 2 and a int"),
    ],
)
def test_samples_of_different_parts_are_refused(samples: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(nn.data.DataLoader(samples, batch_size=2))
