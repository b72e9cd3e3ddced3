"""Who may see whose memory: arrays handed out, foreign arrays, gradients, and what a graph saved."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, gradients, no_grad
from autodiff.memory import View, log_write, newest_write, written_since
from autodiff.recording import OPERATIONS

from .samples import SAMPLES, outputs

for family in ("elementwise", "reduction", "shape", "linear_algebra"):
    importlib.import_module(f".ops.rows_{family}", __package__)


def leaf(*values: float) -> Tensor:
    return Tensor(list(values), requires_grad=True)


# ------------------------------------------------------------------------------------------------ arrays handed out


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tensor([1.0, 2.0]), lambda: leaf(1.0, 2.0), lambda: leaf(1.0, 2.0) * 2, lambda: leaf(1.0, 2.0)[:1],
        lambda: Tensor(3.0), lambda: ad.asarray(np.zeros(2), copy=False), lambda: written(Tensor([1.0, 2.0])),
        lambda: written(Tensor([[1.0], [2.0]])).T,
    ],
)  # fmt: skip
def test_the_array_of_a_tensor_is_read_only(make: Callable[[], Tensor]) -> None:
    tensor = make()
    array = tensor.numpy()
    assert type(array) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0.0
    if not tensor.requires_grad:
        with pytest.raises(ValueError, match="read-only"):
            np.asarray(tensor)[...] = 0.0


def written(tensor: Tensor) -> Tensor:
    tensor[0] = tensor[0]
    tensor[0] = 5.0
    return tensor


def test_an_array_handed_out_keeps_its_values_when_a_result_is_written() -> None:
    y = Tensor([1.0, 2.0])
    first = y.numpy()
    y[0] = 3.0
    second = y.numpy()
    y[0] = 4.0
    y += 1
    assert first.tolist() == [1.0, 2.0]
    assert second.tolist() == [3.0, 2.0]
    assert y.tolist() == [5.0, 3.0]


def test_an_array_handed_out_is_a_sound_operand_whatever_is_written_later() -> None:
    w, y = leaf(1.0, 1.0), Tensor([0.0, 0.0])
    y[0] = 2.0
    product = w * y.numpy() + w * y[:1].numpy() + w * np.asarray(y)
    y[...] = 9.0
    product.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [6.0, 2.0]


def test_the_array_of_a_leaf_shows_its_updates() -> None:
    x = leaf(1.0, 2.0)
    array = x.numpy()
    with no_grad():
        x -= 1.0
    assert array.tolist() == [0.0, 1.0]
    assert np.shares_memory(array, x)


def test_what_hooks_get_is_read_only_and_keeps_its_values() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y[0] = 0.0
    seen: list[Tensor] = []
    for tensor in (x, y):
        tensor.register_hook(seen.append)
    (y[1:] * 3).sum().backward()
    assert [g.tolist() for g in seen] == [[0.0, 3.0], [0.0, 6.0]]
    for g in seen:
        with pytest.raises(ValueError, match="read-only"):
            g[0] = 1.0
        with pytest.raises(ValueError, match=r"in-place \*=: the tensor is a read-only array"):
            g *= 2.0
        with pytest.raises(ValueError, match="read-only"):
            g.numpy()[0] = 1.0


# ------------------------------------------------------------------------------------------------ gradients


def paths() -> list[Callable[[Tensor], Any]]:
    constant = np.ones((2, 3))
    return [
        lambda x: x.sum(), lambda x: (x * constant).sum(), lambda x: x.T.sum(), (lambda x: (x.T * constant.T).sum()),
        lambda x: x[0].sum(), lambda x: ad.broadcast_to(x, (4, 2, 3)).sum(), lambda x: x.mean(), lambda x: (x + x).sum(),
        lambda x: ad.flip(x).sum(), lambda x: x[::-1, ::-1].reshape(-1).sum(), lambda x: ad.concatenate([x, x]).sum(),
        lambda x: x, lambda x: x + 0,
    ]  # fmt: skip


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("index", range(13))
def test_a_gradient_has_writable_contiguous_memory_of_its_own(index: int, create_graph: bool) -> None:
    path = paths()[index]
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    twin = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    y = path(x) + path(twin)
    seed = np.ones(y.shape)
    y.backward(seed, create_graph=create_graph)
    assert x.grad is not None
    assert twin.grad is not None
    for other in (twin.grad, x, twin, y):
        assert not np.shares_memory(x.grad, other)
    assert not np.shares_memory(x.grad.detach().numpy(), seed)
    flags = x.grad._data.flags
    assert flags.writeable
    assert flags.c_contiguous
    before = twin.grad.tolist()
    with no_grad():
        x.grad[...] = 100.0
        x.grad *= 2.0
    assert twin.grad.tolist() == before
    assert seed.tolist() == np.ones(y.shape).tolist()
    found = gradients(path(x), x, np.ones(y.shape), create_graph=create_graph)
    assert not np.shares_memory(found, x)


# ------------------------------------------------------------------------------------------------ foreign arrays


def test_a_write_through_the_library_is_seen_by_both_and_noticed_by_an_older_graph() -> None:
    array = np.array([1.0, 2.0])
    shared, w = ad.asarray(array, copy=False), leaf(3.0, 4.0)
    product = (w * shared).sum()
    part = shared[:1]
    part[0] = 7.0
    assert array.tolist() == [7.0, 2.0]
    assert shared.tolist() == [7.0, 2.0]
    with pytest.raises(RuntimeError, match=r"'multiply' .* was changed afterwards, by item assignment"):
        product.backward()
    shared += 1.0
    assert array.tolist() == [8.0, 3.0]
    (w * shared).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [8.0, 3.0]


def test_a_tracked_value_written_into_a_foreign_array_has_its_gradient() -> None:
    array, x = np.zeros(2), leaf(1.0, 2.0)
    shared = ad.asarray(array, copy=False)
    shared[0] = x[1] * 5
    assert array.tolist() == [10.0, 0.0]
    shared.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 5.0]


def test_a_read_only_foreign_array_is_not_written() -> None:
    array = np.zeros(2)
    array.flags.writeable = False
    with pytest.raises(ValueError, match="a read-only array and cannot be written; write to a copy"):
        ad.asarray(array, copy=False)[0] = 1.0


def test_a_view_of_an_array_made_by_an_operation_shares_its_memory_as_numpys_does() -> None:
    array = np.zeros((2, 3))
    views = [ad.reshape(array, (3, 2)), ad.transpose(array), ad.split(array, [1], axis=1)[1].T, ad.getitem(array, slice(1, None))]
    for view in views:
        view[0, 0] += 1.0
    assert array.sum() == 4.0
    w = Tensor(np.ones((3, 2)), requires_grad=True)
    product = (w * ad.reshape(array, (3, 2))).sum()
    ad.reshape(array, -1)[0] = 5.0
    with pytest.raises(RuntimeError, match="changed afterwards"):
        product.backward()


@pytest.mark.parametrize("share", [lambda a: a, lambda a: ad.asarray(a, copy=False), lambda a: ad.asarray(a, copy=False)[:2]])
def test_a_foreign_array_changed_by_the_user_is_reported_under_trace(share: Callable[[np.ndarray], Any]) -> None:
    array, w = np.array([1.0, 2.0]), leaf(3.0, 4.0)
    with ad.trace():
        product = (w * share(array)).sum()
    array[0] = 100.0
    with pytest.raises(RuntimeError, match=r"given to operation 'multiply' at .*test_aliases.py:\d+ was changed between"):
        product.backward()
    with ad.trace():
        unchanged = (w * share(array)).sum()
    unchanged.backward()


def test_foreign_arrays_are_referenced_not_locked() -> None:
    array, w = np.array([1.0, 2.0]), leaf(3.0, 4.0)
    product = (w * array).sum()
    array[0] = 100.0  # nobody can know; the documented price of not copying
    product.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [100.0, 2.0]


# ------------------------------------------------------------------------------------------------ operations


@pytest.mark.parametrize("name", SAMPLES)
def test_a_result_shares_memory_only_where_the_library_knows(name: str) -> None:
    row = SAMPLES[name]
    for sample in row.samples:
        tensors = [Tensor(a) for a in sample.arrays()]
        for result in outputs(row.call(*sample.with_arrays(tensors), **sample.keywords)):
            for tensor in tensors:
                if isinstance(result, Tensor) and result is not tensor and np.shares_memory(result._data, tensor._data):
                    assert isinstance(result._memory, View), sample
                    assert result._memory.memory is tensor._memory, sample


def test_views_are_declared() -> None:
    views = {name for name, operation in OPERATIONS.items() if operation.view}
    assert {"getitem", "reshape", "transpose", "swapaxes", "moveaxis", "expand_dims", "squeeze", "broadcast_to", "flip"} <= views


# ------------------------------------------------------------------------------------------------ the log of writes


def test_the_log_forgets_arrays_that_are_gone() -> None:
    array = np.zeros(4)
    log_write(array[1:3], "a test")
    stamp = newest_write()
    assert written_since(array[2:], stamp - 1) == "a test"
    assert written_since(array[3:], stamp - 1) is None
    assert written_since(array, stamp) is None
    assert written_since(np.zeros(4), 0) is None
    del array
    for _ in range(10):
        assert written_since(np.zeros(4), 0) is None  # also where an array takes the place of the one that is gone
