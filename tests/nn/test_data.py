"""Data sets and the loader: every sample once, in an order that the generator decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)

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
        (lambda: DataLoader(X, num_workers=-1), ValueError, "num_workers must be an integer, not negative, got -1"),
        (lambda: DataLoader(X, prefetch_factor=2), ValueError, "need num_workers of at least 1"),
        (lambda: DataLoader(X, num_workers=1, prefetch_factor=0), ValueError, "prefetch_factor must be a positive integer"),
        (lambda: DataLoader(X, persistent_workers=True), ValueError, "need num_workers of at least 1"),
        (lambda: DataLoader(X, timeout=-1), ValueError, "timeout must be a number of seconds"),
        (lambda: DataLoader(X, worker_type="fiber"), ValueError, "worker_type must be 'process' or 'thread', got 'fiber'"),
        (lambda: DataLoader(X, shuffle=True, sampler=[1]), ValueError, "a sampler or shuffle=True, not both"),
        (lambda: DataLoader(X, 2, batch_sampler=[[1]]), ValueError, "a batch_sampler decides alone"),
        (lambda: DataLoader(X, None, drop_last=True), ValueError, "drop_last needs batches"),
        (lambda: DataLoader(IterableDataset(), shuffle=True), ValueError, "an IterableDataset decides its own order"),
        (lambda: DataLoader(iter([1])), TypeError, "got list_iterator; derive a stream from nn.data.IterableDataset"),
        (lambda: Subset(X, [10]), IndexError, "index 10 is out of range for a data set of 10 samples"),
        (lambda: Subset(X, [-11]), IndexError, "index -11 is out of range"),
        (lambda: Subset(X, np.ones(10, bool)), TypeError, "np.flatnonzero"),
        (lambda: Subset(X, [0.5]), TypeError, "indices must be a sequence of integers"),
        (lambda: ConcatDataset([]), ValueError, "give at least one data set"),
        (lambda: ConcatDataset([IterableDataset()]), TypeError, "itertools.chain"),
        (lambda: ConcatDataset([X])[10], IndexError, "index 10 is out of range for 10 samples"),
        (lambda: random_split(X, [0.5, 0.4]), ValueError, "lengths must add up to 1"),
        (lambda: random_split(X, [5, 4]), ValueError, "or to the 10 samples"),
        (lambda: random_split(X, [11, -1]), ValueError, "must not be negative"),
        (lambda: RandomSampler(X, num_samples=-1), ValueError, "num_samples must be an integer, not negative"),
        (lambda: list(RandomSampler([], num_samples=1)), ValueError, "1 samples are wanted of an empty data set"),
        (lambda: RandomSampler(X, generator=3), TypeError, "expected a numpy.random.Generator"),
        (lambda: SubsetRandomSampler([0.5]), TypeError, "must be a sequence of integers"),
        (lambda: WeightedRandomSampler([], 1), ValueError, "weights must be one finite number"),
        (lambda: WeightedRandomSampler([1, -1], 1), ValueError, "weights must be one finite number"),
        (lambda: WeightedRandomSampler([1, np.nan], 1), ValueError, "weights must be one finite number"),
        (lambda: WeightedRandomSampler([0, 0], 1), ValueError, "not all 0"),
        (lambda: WeightedRandomSampler([0, 1], 2, replacement=False), ValueError, "2 samples without replacement of 1"),
        (lambda: BatchSampler(range(3), 0), ValueError, "BatchSampler: batch_size must be a positive integer, got 0"),
        (lambda: default_collate([]), ValueError, "a batch of no samples"),
        (lambda: default_collate([None]), TypeError, "a sample is or holds a NoneType"),
        (lambda: default_collate([object()]), TypeError, "or give a collate_fn"),
        (lambda: TensorDataset(X, target_transform=abs)[0], TypeError, "a sample has one part"),
        (lambda: Subset(X, [0], target_transform=abs)[0], TypeError, "a sample is a ndarray"),
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


# ------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("shuffle", [False, True])
def test_arrays_are_shared_and_what_is_handed_out_is_not(shuffle: bool) -> None:
    data = np.zeros((6, 3))
    for dataset in (TensorDataset(data), Subset(TensorDataset(data), range(6)), data, ad.Tensor(data)):
        for index in (0, slice(0, 2), [0, 1]):
            if isinstance(dataset, TensorDataset):
                dataset[index][0][...] = 7
        for batch in DataLoader(dataset, 3, shuffle):
            (batch[0] if isinstance(batch, tuple) else batch)[...] = 7
    assert not data.any()
    shared = TensorDataset(data, [1, 2, 3, 4, 5, 6])
    data[2] = 5
    assert shared[2][0].tolist() == [5.0] * 3
    assert shared.tensors[0].shape == (6, 3)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(6, 4)[:, ::2],
        np.asfortranarray(np.arange(24.0).reshape(6, 4)),
        np.arange(6)[::-1],
        np.arange(24.0).reshape(6, 4).astype(">f4"),
    ],
)
def test_arrays_of_any_layout(array: np.ndarray) -> None:
    frozen = array.copy()
    frozen.flags.writeable = False
    for data in (array, frozen):
        rows = [row for (batch,) in DataLoader((data,), 4, sampler=[5, 0, 1, 3, 3]) for row in batch.tolist()]
        assert rows == data[[5, 0, 1, 3, 3]].tolist()


# ------------------------------------------------------------------------------------------------- parts and joins


def test_a_subset_of_a_subset_and_a_join() -> None:
    part = Subset(Subset(TensorDataset(X, Y), [9, -2, 4, 0]), [2, 0, -1])
    assert [part[i][1].item() for i in range(3)] == [4, 9, 0]
    assert [y.tolist() for _, y in DataLoader(part, 2)] == [[4, 9], [0]]
    assert part[[0, 1]][1].tolist() == [4, 9]
    both = ConcatDataset([part, TensorDataset(X, Y), []])
    assert len(both) == 13
    assert [both[i][1].item() for i in (0, 2, 3, -1)] == [4, 0, 0, 9]
    assert [y.tolist() for _, y in DataLoader(both, 5)][2] == [7, 8, 9]


def test_parts_with_different_transforms() -> None:
    train, test = random_split(TensorDataset(X, Y), [8, 2])
    train.transform, train.target_transform = (lambda x: x * 100), (lambda y: -y)
    assert train[0][0].tolist() == (X[train.indices[0]] * 100).tolist()
    assert [y for _, batch in DataLoader(train, 8) for y in batch.tolist()] == (-train.indices).tolist()
    assert test[0][0].tolist() == X[test.indices[0]].tolist()


@pytest.mark.parametrize(
    ("count", "lengths", "sizes"),
    [
        (10, [7, 3], [7, 3]),
        (10, [0.5, 0.5], [5, 5]),
        (10, [0.33, 0.33, 0.34], [4, 3, 3]),
        (100, [0.29, 0.71], [29, 71]),
        (7, [0.1] * 10, [1, 1, 1, 1, 1, 1, 1, 0, 0, 0]),
        (1, [1, 0], [1, 0]),
        (5, [1.0], [5]),
        (0, [0.5, 0.5], [0, 0]),
    ],
)
def test_random_split(count: int, lengths: list[float], sizes: list[int]) -> None:
    parts = random_split(np.arange(count), lengths, np.random.default_rng(0))
    assert [len(part) for part in parts] == sizes
    assert sorted(i for part in parts for i in part.indices) == list(range(count))
    again = random_split(np.arange(count), lengths, np.random.default_rng(0))
    assert [part.indices.tolist() for part in again] == [part.indices.tolist() for part in parts]


# ------------------------------------------------------------------------------------------------- samplers


def test_samplers_yield_what_they_say() -> None:
    draw = np.random.default_rng(0)
    assert list(SequentialSampler(X)) == list(range(10))
    assert sorted(RandomSampler(X)) == list(range(10))
    assert len(RandomSampler(X, num_samples=25)) == 25
    assert np.bincount(list(RandomSampler(X, num_samples=25))).tolist().count(3) == 5
    drawn = list(RandomSampler(X, replacement=True, num_samples=2000, generator=draw))
    assert np.bincount(drawn, minlength=10).min() > 120
    assert list(RandomSampler(X, num_samples=0)) == list(RandomSampler([])) == list(RandomSampler([], replacement=True)) == []
    assert sorted(SubsetRandomSampler([3, 5, 5])) == [3, 5, 5]
    assert sorted(WeightedRandomSampler([0, 1, 2, 3], 3, replacement=False)) == [1, 2, 3]
    counts = np.bincount(list(WeightedRandomSampler([1, 0, 3], 8000, generator=draw)))
    assert counts[1] == 0
    assert counts[2] / counts[0] == pytest.approx(3, rel=0.1)
    assert [list(BatchSampler(range(5), 2, drop)) for drop in (False, True)] == [[[0, 1], [2, 3], [4]], [[0, 1], [2, 3]]]
    assert [len(BatchSampler(range(5), 2, drop)) for drop in (False, True)] == [3, 2]


@pytest.mark.parametrize(
    "make",
    [
        lambda g: RandomSampler(X, generator=g),
        lambda g: RandomSampler(X, True, 7, g),
        lambda g: SubsetRandomSampler([1, 2, 3], g),
        lambda g: WeightedRandomSampler([1.0, 2.0], 20, generator=g),
    ],
)
def test_the_generator_of_a_sampler_decides(make: Any) -> None:
    one, two = make(np.random.default_rng(5)), make(np.random.default_rng(5))
    first = list(one)
    assert first == list(two)
    assert len(first) == len(one)
    assert all(type(i) is int for i in first)
    assert [y.tolist() for _, y in DataLoader((X, Y), 100, sampler=make(np.random.default_rng(5)))] == [first]


def test_a_sampler_of_ones_own() -> None:
    class Backwards(RandomSampler):
        def __iter__(self) -> Any:
            return iter(range(9, -1, -1))

    assert order(DataLoader((X, Y), 4, sampler=Backwards(X))) == list(range(9, -1, -1))
    assert order(DataLoader((X, Y), batch_sampler=[[1, 2], [3]])) == [1, 2, 3]
    assert len(DataLoader((X, Y), batch_sampler=[[1, 2], [3]])) == 2
    with pytest.raises(NotImplementedError, match="Sampler has no __iter__"):
        iter(Sampler())


@pytest.mark.parametrize(("base", "method"), [(Dataset, "__len__"), (Dataset, "__getitem__"), (IterableDataset, "__iter__")])
def test_a_method_that_was_forgotten(base: type, method: str) -> None:
    made = type("Mine", (base,), {})()
    with pytest.raises(NotImplementedError, match=f"Mine has no {method}"):
        getattr(made, method)(*([0] if method == "__getitem__" else []))


# ------------------------------------------------------------------------------------------------- batches


def test_parts_of_a_sample_keep_their_kind() -> None:
    from collections import namedtuple

    Point = namedtuple("Point", "x y")
    batch = default_collate([Point(1, "a"), Point(2, "b")])
    assert type(batch) is Point
    assert batch.x.tolist() == [1, 2]
    assert batch.y == ["a", "b"]
    assert default_collate([True, False]).dtype == bool
    assert default_collate([1, 2.5]).dtype == np.float64
    assert default_collate([np.float32(1), np.float32(2)]).dtype == np.float32
    assert default_collate([[1, 2], [3, 4]])[0].tolist() == [1, 3]
    assert type(default_convert(Point(np.zeros(1), 2)).x) is ad.Tensor


def test_samples_one_by_one_and_a_collate_function() -> None:
    assert [type(sample["x"]) for sample in DataLoader(Squares(), None)] == [ad.Tensor] * 4
    assert [y for _, y in DataLoader((X, Y), None, shuffle=False)][3].item() == 3
    assert list(DataLoader(list(range(5)), 2, collate_fn=sum)) == [1, 5, 4]
    assert list(DataLoader((Y,), 5, collate_fn=lambda samples: sum(y.item() for (y,) in samples))) == [10, 35]
    assert list(DataLoader(list(range(3)), None, collate_fn=str)) == ["0", "1", "2"]


def test_samples_read_together() -> None:
    class Together(Squares):
        def __getitems__(self, indices: list[int]) -> Any:
            return [-i for i in indices]

    assert [batch.tolist() for batch in DataLoader(Together(), 3)] == [[0, -1, -2], [-3]]


def test_a_transform_that_works_on_whole_batches_gives_the_same() -> None:
    from nn.data.transforms import Compose, Flatten, Lambda, OneHot, ToFloat

    images = np.random.default_rng(0).integers(0, 256, (7, 1, 2, 3)).astype(np.uint8)
    change, label = Compose([ToFloat(), Flatten()]), OneHot(7)
    whole = list(DataLoader(TensorDataset(images, np.arange(7), transform=change, target_transform=label), 3))
    single = TensorDataset(images, np.arange(7), transform=lambda x: change(x), target_transform=lambda y: label(y))
    for (x, y), (u, v) in zip(whole, DataLoader(single, 3), strict=True):
        assert (x.dtype, x.shape[1:], y.shape[1:]) == (np.float32, (6,), (7,))
        np.testing.assert_array_equal(x.numpy(), u.numpy())
        np.testing.assert_array_equal(y.numpy(), v.numpy())
    last = TensorDataset(images, transform=Lambda(lambda x: x + x, batched=True))
    assert next(iter(DataLoader(last, 7)))[0].tolist() == (images + images).tolist()


def test_programs_written_for_pytorch_may_pin_memory() -> None:
    x = np.arange(6.0)
    pinned = nn.data.DataLoader(x, batch_size=4, pin_memory=True)
    assert [batch.tolist() for batch in pinned] == [[0, 1, 2, 3], [4, 5]]
