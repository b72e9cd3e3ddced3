"""Going on in the middle of an epoch: what is left is what an uninterrupted run would have given, bit for bit."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler, WeightedRandomSampler
from nn.seeding import generator_or_default


class Noisy(Dataset[Any]):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[int, float]:
        return index, generator_or_default(None).random()


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        for i in range(7):
            yield i, generator_or_default(None).random()


class Uneven:
    """Batches of 1, 2, 3 ... samples of a permutation."""

    def __init__(self, count: int, generator: np.random.Generator) -> None:
        self.count, self.generator = count, generator

    def __iter__(self) -> Any:
        order, start = self.generator.permutation(self.count).tolist(), 0
        for size in range(1, self.count):
            if start < self.count:
                yield order[start : start + size]
            start += size

    def __len__(self) -> int:
        return next(k for k in range(self.count + 1) if k * (k + 1) // 2 >= self.count)


def plain(batch: Any) -> Any:
    return [part.tolist() if hasattr(part, "tolist") else part for part in batch]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


KINDS: dict[str, Any] = {
    "shuffled": lambda: DataLoader(Noisy(11), 3, shuffle=True, generator=rng()),
    "in order": lambda: DataLoader(Noisy(11), 3, generator=rng()),
    "drop_last": lambda: DataLoader(Noisy(11), 3, shuffle=True, generator=rng(), drop_last=True),
    "arrays": lambda: DataLoader((np.arange(11), np.arange(11.0)), 3, shuffle=True, generator=rng()),
    "arrays in order": lambda: DataLoader((np.arange(11), np.arange(11.0)), 3),
    "one by one": lambda: DataLoader(Noisy(5), None, shuffle=True, generator=rng()),
    "sampler": lambda: DataLoader(Noisy(11), 3, sampler=WeightedRandomSampler(np.ones(11), 8, generator=rng(5)), generator=rng()),
    "list as sampler": lambda: DataLoader(Noisy(11), 3, sampler=[3, 1, 2, 10], generator=rng()),
    "batch sampler": lambda: DataLoader(Noisy(11), batch_sampler=Uneven(11, rng(5)), generator=rng()),
    "BatchSampler": lambda: DataLoader(
        Noisy(11), batch_sampler=BatchSampler(RandomSampler(range(11), generator=rng(5)), 4), generator=rng()
    ),
    "stream": lambda: DataLoader(Stream(), 3, generator=rng()),
    "threads": lambda: DataLoader(Noisy(11), 2, shuffle=True, generator=rng(), num_workers=3, worker_type="thread"),
    "threads at a stream": lambda: DataLoader(Stream(), 3, generator=rng(), num_workers=2, worker_type="thread"),
    "persistent": lambda: DataLoader(
        Noisy(11), 2, shuffle=True, generator=rng(), num_workers=2, worker_type="thread", persistent_workers=True
    ),
}


def stored(state: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint makes of a state: numbers through JSON, arrays through memory."""
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    lists = {key: [np.array(v) for v in value] for key, value in state.items() if isinstance(value, list)}
    rest = {key: value for key, value in state.items() if key not in arrays and key not in lists}
    return json.loads(json.dumps(rest)) | copy.deepcopy(arrays) | lists


@pytest.mark.parametrize("kind", KINDS)
def test_every_position_of_two_epochs(kind: str) -> None:
    reference = KINDS[kind]()
    epochs = [[plain(batch) for batch in reference] for _ in range(3)]
    for epoch in range(2):
        for position in range(len(epochs[0]) + 1):
            first = KINDS[kind]()
            for _ in range(epoch):
                list(first)
            iterator = iter(first)
            before = [plain(next(iterator)) for _ in range(position)]
            state = first.state_dict()
            assert state["position"] == position
            del iterator
            assert first.state_dict()["position"] == position  # leaving the loop does not change it
            second = KINDS[kind]()
            second.load_state_dict(stored(state))
            assert second.state_dict()["position"] == position
            assert before + [plain(batch) for batch in second] == epochs[epoch]
            assert second.state_dict()["position"] == 0
            assert second.state_dict()["order"] is None
            assert [plain(batch) for batch in second] == epochs[epoch + 1]


def test_workers_may_be_others_after_the_break() -> None:
    whole = [plain(batch) for batch in KINDS["shuffled"]()]
    first = KINDS["shuffled"]()
    iterator = iter(first)
    next(iterator)
    state = first.state_dict()
    for more in ({"num_workers": 1, "worker_type": "thread"}, {"num_workers": 4, "worker_type": "thread"}, {}):
        second = DataLoader(Noisy(11), 3, shuffle=True, generator=rng(), **more)
        second.load_state_dict(state)
        assert [plain(batch) for batch in second] == whole[1:]


def test_batches_made_ahead_do_not_count() -> None:
    made = DataLoader(Noisy(50), 1, num_workers=2, worker_type="thread", prefetch_factor=8)
    iterator = iter(made)
    next(iterator)
    assert made.state_dict()["position"] == 1
    del iterator


@given(
    count=st.integers(0, 12),
    size=st.integers(1, 5),
    drop_last=st.booleans(),
    shuffle=st.booleans(),
    arrays=st.booleans(),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_any_loader_goes_on(count: int, size: int, drop_last: bool, shuffle: bool, arrays: bool, data: Any) -> None:
    def make() -> DataLoader:
        dataset = (np.arange(count), np.arange(count) * 2) if arrays else Noisy(count)
        return DataLoader(dataset, size, shuffle, generator=rng(7), drop_last=drop_last)

    whole = [plain(batch) for batch in make()]
    assert len(whole) == len(make()) == (count // size if drop_last else -(-count // size))
    seen = [i for batch in whole for i in batch[0]]
    assert sorted(seen) == list(range(count)) if not drop_last else len(set(seen)) == count // size * size
    position = data.draw(st.integers(0, len(whole)))
    first = make()
    iterator = iter(first)
    for _ in range(position):
        next(iterator)
    second = make()
    second.load_state_dict(stored(first.state_dict()))
    assert [plain(batch) for batch in second] == whole[position:]
    assert second.generator is not None
    assert second.generator.random() == rng_after(make)


def rng_after(make: Any) -> float:
    made = make()
    list(made)
    return float(made.generator.random())


def test_loading_draws_from_no_generator() -> None:
    first = KINDS["shuffled"]()
    next(iter(first))
    state = first.state_dict()
    second = DataLoader(Noisy(11), 3, shuffle=True, generator=rng(99))
    second.load_state_dict(state)
    list(second)
    assert second.generator is not None
    assert second.generator.bit_generator.state == state["generator"]


def test_between_epochs_there_is_only_the_generator() -> None:
    made = KINDS["shuffled"]()
    list(made)
    state = made.state_dict()
    generator = state.pop("generator")
    assert generator["bit_generator"] == "PCG64"
    assert state == {
        "position": 0,
        "order": None,
        "batches": None,
        "batch_size": 3,
        "epoch_seed": None,
        "sampler_generator": None,
    }


def test_a_new_loop_after_a_break_is_a_new_epoch() -> None:
    made = KINDS["in order"]()
    for _ in made:
        break
    assert len(list(made)) == 4


STATE = {"position": 1, "order": np.arange(6), "epoch_seed": None, "generator": None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "expected what state_dict\\(\\) gave; it has no epoch_seed, generator, order, position"),
        (STATE | {"position": 4}, "4 batches were handed out, but there are 3 in an epoch"),
        (STATE | {"position": -1}, "-1 batches were handed out"),
        (STATE | {"order": np.arange(7)}, "the state reads sample 6, the data set has 6"),
        (STATE | {"order": np.array([-7])}, "the state reads sample -7, the data set has 6"),
        (STATE | {"batch_size": 3}, "the state is of batches of 3, this loader has 2"),
        (STATE | {"batches": [np.arange(2)], "order": None}, "only one of the loader and the state has a batch_sampler"),
        (STATE | {"generator": rng().bit_generator.state}, "the state is of a generator PCG64, this loader has None"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state: dict[str, Any], message: str) -> None:
    made = DataLoader(np.arange(6), 2)
    with pytest.raises(ValueError, match=message):
        made.load_state_dict(state)
    assert made.state_dict()["position"] == 0
    assert len(list(made)) == 3


def test_another_kind_of_generator_is_refused() -> None:
    made = DataLoader(np.arange(6), 2, generator=np.random.Generator(np.random.Philox(1)))
    with pytest.raises(ValueError, match="the state is of a generator PCG64, this loader has Philox"):
        made.load_state_dict(STATE | {"generator": rng().bit_generator.state})


def test_keys_that_are_no_numbers() -> None:
    class Named(dict[str, int]):
        pass

    def make() -> DataLoader:
        return DataLoader(Named(a=1, b=2, c=3), 2, sampler=["c", "a", "b"])

    first = make()
    assert [batch.tolist() for batch in first] == [[3, 1], [2]]
    next(iter(first))
    second = make()
    second.load_state_dict(first.state_dict())
    assert [batch.tolist() for batch in second] == [[2]]


def test_sequential_order_is_an_array_in_the_state() -> None:
    made = DataLoader(np.arange(4), 2, sampler=SequentialSampler(range(4)))
    next(iter(made))
    np.testing.assert_array_equal(made.state_dict()["order"], np.arange(4))
