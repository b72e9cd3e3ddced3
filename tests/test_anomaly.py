"""`detect_anomaly`: the operation that made the first nan or infinity is named, forward and backward, and nothing else is."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import gc
import inspect
import pathlib
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
import nn.functional as F
from autodiff import AnomalyError, Tensor, detect_anomaly, fused, operation, trace

INF, NAN = np.inf, np.nan
BIG = np.float32(3e38)


def leaf(data: Any, name: str | None = "x", dtype: Any = float) -> Tensor:
    return Tensor(np.array(data, dtype), requires_grad=True, name=name)


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


@operation()
def spoiled(x: Any) -> Any:
    return x * 2


spoiled.rules(lambda g: g * np.nan)


@operation()
def shrinking(x: Any) -> Any:
    return x * 1


shrinking.rules(lambda g: g[:1].repeat(3))


@fused(
    forward=lambda x: ((x + 1, np.log(x)), x),
    backward=lambda g, kept, needs: (sum(part * f for part, f in zip(g, (1, 1 / kept)) if part is not None),),
)
def two(x: Any) -> Any:
    return x + 1, np.log(x)


@contextlib.contextmanager
def anomaly(match: str | None = None, **options: Any) -> Iterator[pytest.ExceptionInfo[AnomalyError]]:
    """Expect an anomaly in what runs inside, watched."""
    with pytest.raises(AnomalyError, match=match) as caught, detect_anomaly(**options):
        yield caught


def nothing() -> None:
    """Do nothing."""


# Each makes nan or inf at exactly one operation: (what it does, the operation, "nan" or "inf").
FORWARD: list[tuple[str, Callable[[], Any], str, str]] = [
    ("log of 0", lambda: np.exp(np.log(leaf([1.0, 0.0]) * 1) * 1), "log", "inf"),
    ("0 / 0", lambda: (leaf([0.0, 1.0]) * 1) / (leaf([0.0, 1.0]) * 1), "divide", "nan"),
    ("1 / 0", lambda: 1.0 / leaf([2.0, 0.0]), "divide", "inf"),
    ("inf - inf", lambda: leaf([1.0, INF]) - leaf([1.0, INF]), "subtract", "nan"),
    ("inf * 0", lambda: leaf([1.0, INF]) * Tensor([1.0, 0.0]), "multiply", "nan"),
    ("exp too large", lambda: np.exp(leaf([1.0, 100.0], dtype=np.float32)), "exp", "inf"),
    ("sqrt of -1", lambda: np.sqrt(leaf([-1.0, 4.0])), "sqrt", "nan"),
    ("a power", lambda: leaf([0.0, 1.0]) ** -0.5, "power", "inf"),
    ("power of arrays", lambda: leaf([-2.0, 1.0]) ** Tensor([0.5, 2.0]), "power", "nan"),
    ("product", lambda: np.prod(leaf([3e38, 10.0], dtype=np.float32)), "prod", "inf"),
    ("sum", lambda: np.sum(leaf([BIG, BIG], dtype=np.float32)), "sum", "inf"),
    ("dot", lambda: leaf([BIG, BIG], dtype=np.float32) @ Tensor(np.ones(2, np.float32)), "matmul", "inf"),
    ("norm", lambda: np.linalg.norm(leaf([BIG, BIG, NAN], dtype=np.float32)[:2] * 1e30), "multiply", "inf"),
    ("cast", lambda: leaf([1e300]).astype(np.float32), "astype", "inf"),
    ("cast of a write", lambda: write(leaf([0.0, 0.0], dtype=np.float32) * 1, leaf(1e300)), "setitem", "inf"),
    ("stack and sum", lambda: ad.stack([leaf([BIG], dtype=np.float32), leaf([BIG], dtype=np.float32)]).sum(), "sum", "inf"),
    ("several outputs", lambda: two(leaf([1.0, 0.0])), "two", "inf"),
    ("complex", lambda: np.log(leaf([0j, 1 + 1j], dtype=complex)), "log", "inf"),
    ("where, what is not chosen", lambda: np.where(np.array([True, False]), np.sqrt(leaf([1.0, -1.0])), 0), "sqrt", "nan"),
    ("linear", lambda: F.linear(leaf([[BIG, BIG]], dtype=np.float32), Tensor(np.full((1, 2), 2, np.float32))), "linear", "inf"),
    ("mse", lambda: F.mse_loss(leaf([BIG], dtype=np.float32), Tensor(np.zeros(1, np.float32))), "mse_loss", "inf"),
    ("no grad", lambda: without_grad(lambda: np.log(leaf([0.0]))), "log", "inf"),
    ("untracked", lambda: np.log(Tensor([0.0])), "log", "inf"),
    ("untracked and fused", lambda: F.linear(Tensor([[1e300, 1e300]]), Tensor([[1e300, 1e300]])), "linear", "inf"),
    ("untracked sequence", lambda: ad.concatenate([np.exp(Tensor([1e3])), Tensor([1.0])]), "exp", "inf"),
    ("write to what is untracked", lambda: write(Tensor(np.zeros(2, np.float32)), 1e300), "setitem", "inf"),
    ("write under no_grad", lambda: without_grad(lambda: write(leaf([0, 0], dtype=np.float32), 1e300)), "setitem", "inf"),
    ("beside an infinity that came in", lambda: np.exp(leaf([-INF, INF, 1e3])), "exp", "inf"),
]


def write(target: Tensor, value: Any) -> Tensor:
    target[0] = value
    return target


def without_grad(f: Callable[[], Any]) -> Any:
    with ad.no_grad():
        return f()


@pytest.mark.parametrize(("f", "name", "kind"), [case[1:] for case in FORWARD], ids=[case[0] for case in FORWARD])
def test_the_operation_that_makes_it_is_named(f: Callable[[], Any], name: str, kind: str) -> None:
    with anomaly(rf"operation '{name}' made {kind} in") as caught:
        f()
    error = caught.value
    assert isinstance(error, FloatingPointError)
    assert (error.operation, error.phase, error.argument, error.module) == (name, "forward", None, "")
    assert error.source.startswith(f"{__file__}:")
    assert error.output is not None
    assert (error.output.nans if kind == "nan" else error.output.infinities) > 0
    assert error.inputs
    assert not getattr(error, "__notes__", [])


# Each makes nan or inf in the backward pass only: (what it does, the operation whose rule it is, its argument, the kind).
BACKWARD: list[tuple[str, Callable[[], Any], str, str, str]] = [
    ("sqrt at 0", lambda: np.sqrt(leaf([4.0, 0.0]) * 1).sum(), "sqrt", "x", "inf"),
    ("a root", lambda: (leaf([4.0, 0.0]) ** 0.5).sum(), "power", "x", "inf"),
    ("arcsin at 1", lambda: np.arcsin(leaf([0.0, 1.0])).sum(), "arcsin", "x", "inf"),
    ("division", lambda: (leaf([1.0], dtype=np.float32) / leaf([1e-30], "d", np.float32)).sum(), "divide", "x2", "inf"),
    ("a rule that returns nan", lambda: (spoiled(leaf([1.0, 2.0])) * 3).sum(), "spoiled", "x", "nan"),
    ("a product", lambda: (leaf([1e-30, 1e-35], dtype=np.float32) * BIG * 10.0).sum(), "multiply", "x1", "inf"),
    ("over the batch", lambda: (leaf([1e-9], dtype=np.float32) * np.full((3, 1), 2e38, np.float32)).sum(), "multiply", "x1", "inf"),
    ("several outputs", lambda: two(leaf([1.0, 1e-320]))[1].sum(), "two", "x", "inf"),
    ("getitem of it", lambda: np.sqrt(leaf([[0.0, 1.0]]))[0, 0] * 1, "sqrt", "x", "inf"),
    ("complex", lambda: np.sqrt(leaf([0j, 1j], dtype=complex)).real.sum(), "sqrt", "x", "nan"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "name", "argument", "kind"), [case[1:] for case in BACKWARD], ids=[case[0] for case in BACKWARD])
@pytest.mark.parametrize("how", ["inside", "backward outside", "forward outside", "create_graph"])
def test_the_rule_that_makes_it_is_named(f: Callable[[], Any], name: str, argument: str, kind: str, how: str) -> None:
    def run() -> None:
        if how == "backward outside":
            with detect_anomaly():
                y = f()
            y.backward()
        elif how == "forward outside":
            with np.errstate(all="ignore"):
                y = f()
            with detect_anomaly():
                y.backward()
        else:
            with detect_anomaly():
                f().backward(create_graph=how == "create_graph")

    with pytest.raises(AnomalyError) as caught:
        run()
    error = caught.value
    assert (error.operation, error.phase, error.argument) == (name, "backward", argument)
    assert f"of operation '{name}' for '{argument}' made {kind}" in error.summary
    assert "g" in error.inputs or "g[1]" in error.inputs
    assert (error.source != "") == (how != "forward outside")
    assert error.rule or name == "two"
    assert error.summary.startswith(f"the {'rule' if name != 'two' else 'reference' if how == 'create_graph' else 'kernel'} of")
    if name == "sqrt":
        assert error.rule == "lambda g, y: g / (2 * y)"
        assert "y" in error.inputs


class TestSums:
    def test_overflow_at_a_parameter(self) -> None:
        w = leaf([1e-9], "w", np.float32)
        with anomaly("the sum of the gradients of 'w' became inf") as caught:
            (w * np.float32(2e38) + w * np.float32(3e38) * 1.0).backward(np.ones(1, np.float32))
        assert caught.value.phase == "backward"
        assert set(caught.value.inputs) == {"before", "added"}

    def test_overflow_at_a_result(self) -> None:
        w = leaf([1e-9], "w", np.float32)
        with anomaly("the sum of the gradients of the result of operation 'tanh' became inf"):
            y = np.tanh(w)
            (y * np.float32(2e38) - y * np.float32(-3e38) * 1.0).backward(np.ones(1, np.float32))

    def test_infinities_that_meet(self) -> None:
        w, up, down = leaf([0.0, 1.0], "w"), Tensor([1.0, INF]), Tensor([1.0, -INF])
        with anomaly("the sum of the gradients of 'w' became nan in 1 of 2 elements: inf and -inf met"):
            a = np.where(np.array([True, False]), w * up, 0)
            b = np.where(np.array([True, False]), w * down, 0)
            (a.sum() + b.sum()).backward()
            a = w[1:] * up[1:]
            b = w[1:] * down[1:]
            ad.stack([a, b]).backward(np.ones((2, 1)))

    def test_a_tensor_used_often_is_fine(self) -> None:
        w = leaf([1.0, 2.0])
        with detect_anomaly():
            (w * w + w - w / w).sum().backward()
        assert w.grad is not None
        np.testing.assert_allclose(w.grad.numpy(), [3.0, 5.0])


class TestSeedsAndHooks:
    @pytest.mark.parametrize("bad", [NAN, INF])
    def test_a_gradient_given(self, bad: float) -> None:
        x = leaf([1.0, 2.0])
        with anomaly(f"the gradient given to the backward pass holds {bad} in 1 of 2"):
            (x * 2).backward(np.array([1.0, bad]))

    def test_a_gradient_given_to_gradients(self) -> None:
        x = leaf([1.0, 2.0])
        with anomaly("the gradient given"):
            ad.gradients(x * 2, x, np.array([1.0, NAN]))

    def test_infinities_may_be_given_where_they_are_ignored(self) -> None:
        x = leaf([1.0, 2.0])
        with detect_anomaly(check="nan"):
            (x * 2).backward(np.array([1.0, INF]))

    def test_a_hook(self) -> None:
        x = leaf([1.0, 2.0])
        with anomaly("the gradient of the result of operation 'multiply' after its hooks holds nan"):
            y = x * 2
            y.register_hook(lambda g: np.array([NAN, 1.0]))
            y.sum().backward()

    @pytest.mark.parametrize("bad", [NAN, INF])
    def test_a_hook_of_a_variable(self, bad: float) -> None:
        x = leaf([1.0, 2.0])
        x.register_hook(lambda g: np.array([bad, 1.0]))
        with anomaly(f"the gradient of 'x' after its hooks holds {bad} in 1 of 2 elements"):
            (x * 2).sum().backward()

    def test_a_hook_of_one_of_several_outputs(self) -> None:
        x = leaf([1.0, 2.0])
        with anomaly("after its hooks holds nan in its one element"):
            a, b = ad.split(x * 2, 2)
            a.register_hook(lambda g: np.array([NAN]))
            (a * b).sum().backward()

    def test_a_hook_that_makes_infinity(self) -> None:
        y = leaf([1.0, 2.0]) * 2
        y.register_hook(lambda g: np.array([INF, 1.0]))
        with anomaly("the gradient of the result of operation 'multiply' after its hooks holds inf in 1 of 2 elements"):
            y.sum().backward()

    def test_a_hook_may_pass_on_an_infinity_that_came_in(self) -> None:
        x = leaf([1.0, 2.0])
        x.register_hook(lambda g: np.asarray(g.numpy()) * 0.5)
        with detect_anomaly():
            (x * np.array([INF, 1.0])).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [INF, 0.5]

    def test_backward_hooks_of_modules(self) -> None:
        model = nn.ReLU()
        seen: list[Any] = []
        model.register_full_backward_hook(lambda module, inputs, outputs: seen.append(inputs))
        x, y = leaf([1.0, 2.0]), leaf([3.0])
        for block in (detect_anomaly, trace):
            with block():
                model(x).sum().backward()
        assert len(seen) == 2
        assert x.grad is not None
        assert x.grad.tolist() == [2.0, 2.0]
        assert y.grad is None

    def test_what_a_seeds_pass_through_several_outputs_says(self) -> None:
        with anomaly("given"):
            two(leaf([1.0]))[0].backward(np.array([NAN]))


class TestInfinitiesThatComeIn:
    MASK = np.array([[True, True, False], [True, False, False]])

    def test_masks(self) -> None:
        x = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        with detect_anomaly():
            scores = np.where(self.MASK, x, -INF)
            weights = F.softmax(scores, dim=-1)
            (weights * weights).sum().backward()
            assert np.isfinite(F.softmax(x + np.where(self.MASK, 0, -INF), dim=-1).numpy()).all()
        assert x.grad is not None
        assert np.isfinite(x.grad.numpy()).all()

    def test_softmax_by_hand(self) -> None:
        x = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        with detect_anomaly():
            scores = np.where(self.MASK, x, -INF)
            e = np.exp(scores - scores.max(axis=-1, keepdims=True))
            (e / e.sum(axis=-1, keepdims=True))[:, 0].sum().backward()

    def test_logsumexp_max_and_clip(self) -> None:
        x = leaf([1.0, -INF, 2.0])
        with detect_anomaly():
            np.max(x), np.clip(x, 0.0, INF), ad.logsumexp(x), np.logaddexp(x, -INF), np.maximum(x, -INF), np.minimum(x, INF)
            ad.logsumexp(x).backward()
            np.sum(x)  # -inf, since one of them was
            x * 2.0, -x, x.reshape(3, 1), x[1], x @ np.ones(3), ad.pad(x, 1, constant_values=-INF), ad.concatenate([x, [INF]])

    def test_cross_entropy_of_masked_logits(self) -> None:
        x = leaf([[1.0, -INF, 2.0], [0.0, 1.0, -INF]])
        with detect_anomaly():
            F.cross_entropy(x, np.array([0, 1])).backward()
            F.log_softmax(x, dim=-1)

    def test_what_follows_from_them_in_the_backward_pass(self) -> None:
        x = leaf([1.0, 2.0])
        with detect_anomaly():
            (x * np.array([INF, 1.0])).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [INF, 1.0]

    def test_a_write(self) -> None:
        x = leaf([1.0, 2.0])
        with detect_anomaly():
            y = x * 1
            y[0] = -INF
            np.exp(y).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [0.0, np.exp(2.0)]

    def test_writes_to_what_is_untracked(self) -> None:
        with detect_anomaly():
            y, empty = ad.zeros(3), ad.zeros((0, 2))
            y[0] = -INF
            y[[1, 2]] = np.array([INF, 1.0])
            y[np.isfinite(y.numpy())] = 2.0
            y[1:] = y[:2]
            empty[:] = 1.0
        assert y.tolist() == [-INF, -INF, INF]

    def test_only_nan(self) -> None:
        x = leaf([0.0, 1.0])
        with detect_anomaly(check="nan"):
            np.log(x)
            (1 / x).sum().backward()
            with pytest.raises(AnomalyError, match="'subtract' made nan in 1 of 2 elements, from non-nan inputs"):
                np.log(x) - np.log(x)

    def test_strong_zeros_are_no_anomaly(self) -> None:
        x = leaf([0.0, 4.0])
        for create_graph in (False, True):
            with detect_anomaly():
                y = np.where(x > 0, np.sqrt(x), 0).sum()
                y.backward(create_graph=create_graph)
        assert x.grad is not None
        assert x.grad.tolist() == [0.0, 0.5]
        x.grad = None

    def test_second_derivatives_with_strong_zeros(self) -> None:
        with detect_anomaly():
            second = ad.grad(ad.grad(lambda x: np.where(x > 0, np.sqrt(x), 0).sum()))
            first = ad.grad(lambda x: np.where(x > 0, np.sqrt(x), 0).sum())
            assert first(np.array([0.0, 4.0])).tolist() == [0.0, 0.25]
            assert second(4.0) == -1 / 32


class TestNanThatComesIn:
    def test_the_first_that_takes_it_says_that_it_came_in(self) -> None:
        x, data = leaf([1.0, 2.0]), Tensor([1.0, NAN], name="data")
        with anomaly() as caught:
            (x * data) + 1
        error = caught.value
        assert (error.operation, error.argument) == ("multiply", "x2")
        assert "it was not made here, but came in with its argument 'x2'" in error.summary
        assert "\n  argument x1  'x', (2,) float64, from 1 to 2\n  argument x2  'data', (2,) float64, all 1, 1 nan" in str(error)
        assert "cure" not in str(error)

    def test_a_single_number(self) -> None:
        with anomaly("passed nan on, in the one element of its result: it was not made here"):
            leaf(1.0) * NAN

    def test_what_ignores_it_passes(self) -> None:
        x = leaf([1.0, NAN])
        with detect_anomaly():
            np.where(np.isnan(x), 0, x).sum().backward()
            assert x[0].item() == 1
        assert x.grad is not None

    def test_in_the_middle_of_a_sequence(self) -> None:
        with anomaly(r"'concatenate' passed nan on, .* argument 'arrays\[1\]'") as caught:
            ad.concatenate([leaf([1.0]), leaf([NAN], "bad")])
        assert "argument arrays[1]  'bad', (1,) float64, 1 nan" in str(caught.value)

    def test_in_a_parameter_of_a_fused_operation(self) -> None:
        layer = nn.Linear(2, 2)
        with ad.no_grad():
            layer.weight[0, 0] = NAN
        with anomaly("'linear' passed nan on, .* argument 'weight'") as caught:
            layer(np.ones((3, 2)))
        assert caught.value.module == "Linear"


class Deep(nn.Module):
    def __init__(self, inner: Callable[[Tensor], Tensor]):
        self.linear = nn.Linear(3, 3)
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.linear(x))


class Block(nn.Module):
    def __init__(self, inner: Callable[[Tensor], Tensor]):
        self.layers = nn.ModuleList([nn.Sequential(Deep(lambda h: h * 2)), nn.Sequential(Deep(inner), nn.Tanh())])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class TestModules:
    def model(self, inner: Callable[[Tensor], Tensor]) -> nn.Module:
        nn.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 3), Block(inner))

    def test_forward_three_deep(self) -> None:
        model = self.model(lambda h: np.log(h * 0))
        with anomaly("operation 'log' made inf in 6 of 6") as caught:
            model(np.ones((2, 3)))
        assert caught.value.module == "1.layers.1.0"
        assert "module      1.layers.1.0 (Deep)" in str(caught.value)
        assert not getattr(caught.value, "__notes__", [])

    def test_backward_three_deep(self) -> None:
        model = self.model(lambda h: np.sqrt(h * 0))
        with anomaly("the rule of operation 'sqrt' for 'x' made inf in 6 of 6") as caught:
            model(np.ones((2, 3))).backward(np.ones((2, 3)))
        assert caught.value.module == "1.layers.1.0"
        assert not getattr(caught.value, "__notes__", [])

    def test_in_evaluation(self) -> None:
        model = self.model(lambda h: np.log(h * 0)).eval()
        with anomaly() as caught, ad.no_grad():
            model(np.ones((2, 3)))
        assert (caught.value.operation, caught.value.module, caught.value.node) == ("log", "1.layers.1.0", None)

    def test_a_normalisation(self) -> None:
        model = nn.Sequential(nn.Identity(), nn.LayerNorm(2, eps=0.0))
        x = Tensor(np.ones((1, 2)), requires_grad=True)
        with anomaly() as caught:
            model(x).sum().backward()
        assert caught.value.operation == "layer_norm"
        assert caught.value.module == "1"

    def test_a_loss(self) -> None:
        logits = leaf([[1e38, -3e38]], dtype=np.float32)
        with anomaly() as caught:
            nn.CrossEntropyLoss()(logits * 1, np.array([1]))
        assert (caught.value.operation, caught.value.module) == ("cross_entropy", "CrossEntropyLoss")

    def test_a_healthy_training_step(self) -> None:
        model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU(), nn.Dropout(), nn.Linear(4, 2))
        x, y = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 1, 0, 1, 1])
        with detect_anomaly():
            nn.CrossEntropyLoss()(model(x), y).backward()
        assert all(p.grad is not None for p in model.parameters())


class TestWhatItSays:
    def test_in_full(self) -> None:
        x = leaf([4.0, 0.0], name="x")
        with anomaly() as caught:
            np.sqrt(x).sum().backward()  # this line
        here = line() - 1
        assert str(caught.value).splitlines() == [
            "the rule of operation 'sqrt' for 'x' made inf in 1 of 2 elements, from a finite gradient",
            f"  line        {__file__}:{here}: np.sqrt(x).sum().backward()  # this line",
            "  rule        lambda g, y: g / (2 * y)",
            "  gradient g  (2,) float64, all 1",
            "  output y    (2,) float64, from 0 to 2",
            "  result      (2,) float64, all 0.25, 1 infinite",
            "  cure        the slope of the square root at 0 is infinite: np.sqrt(x + 1e-12), "
            "or choose with np.where before the root",
        ]

    def test_an_argument_is_not_taken_for_a_tensor_of_that_name(self) -> None:
        x, weights = leaf([1.0, 2.0], name="x2"), leaf([0.0, 5.0], name="weights")
        with anomaly() as caught:
            x / weights
        told = str(caught.value)
        assert "  argument x1  'x2', (2,) float64, from 1 to 2\n" in told
        assert "  argument x2  'weights', (2,) float64, from 0 to 5\n" in told

    def test_an_infinity_may_be_masked_out_afterwards_but_a_nan_not(self) -> None:
        z = leaf([0.0, 4.0])
        with anomaly() as caught:
            np.where(z > 0, np.log(z), 0)
        assert 'masks out afterwards does no harm here: detect_anomaly(check="nan") ignores it' in str(caught.value)
        with detect_anomaly(check="nan"):
            np.where(z > 0, np.log(z), 0).sum().backward()
        assert z.grad is not None
        assert z.grad.tolist() == [0, 0.25]
        z = leaf([-1.0, 4.0])
        with anomaly(check="nan") as caught:
            np.where(z > 0, np.sqrt(z), 0)
        assert "masks out" not in str(caught.value)
        assert "mask first: np.sqrt(np.where(x > 0, x, 1))" in str(caught.value)
        with detect_anomaly():
            np.where(z > 0, np.sqrt(np.where(z > 0, z, 1)), 0).sum().backward()
        assert z.grad is not None
        assert z.grad.tolist() == [0, 0.25]

    def test_where_the_line_is_not_known_it_says_how_to_know_it(self) -> None:
        y = np.sqrt(leaf([0.0])).sum()
        with anomaly() as caught:
            y.backward()
        assert "  line        not known, as it was called outside the block: record it under trace()" in str(caught.value)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        with trace():
            y = np.sqrt(leaf([0.0])).sum()
        with anomaly() as caught:
            y.backward()
        assert f"  line        {__file__}:{line() - 3}: y = np.sqrt" in str(caught.value)

    def test_statistics(self) -> None:
        with anomaly() as caught:
            np.log(leaf([[1.0, 0.0, 5.0]]))
        x = caught.value.inputs["x"]
        assert (x.shape, x.dtype, x.min, x.max, x.nans, x.infinities) == ((1, 3), "float64", 0.0, 5.0, 0, 0)
        assert caught.value.node is not None
        assert caught.value.node.operation.name == "log"

    def test_it_can_be_pickled_and_copied(self) -> None:
        with anomaly() as caught:
            np.log(leaf([0.0]))
        for again in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
            assert str(again) == str(caught.value)
            assert again.inputs == caught.value.inputs
            with pytest.raises(RuntimeError, match="there is nothing to draw"):
                _ = again.drawing

    @pytest.mark.parametrize("check", [True, "inf", "", "a", None])
    def test_an_unknown_check(self, check: Any) -> None:
        with pytest.raises(ValueError, match="detect_anomaly: check is 'nan\\+inf', or 'nan'"):
            detect_anomaly(check)


class TestPictures:
    def marked(self, error: AnomalyError) -> Any:
        (bad,) = [node for node in error.drawing.description.nodes if node.marked]
        return bad

    def test_forward(self) -> None:
        x = leaf([1.0, 0.0])
        with anomaly() as caught:
            np.log(np.sqrt(x) * 2)
        bad = self.marked(caught.value)
        assert (bad.operation, bad.is_output) == ("log", True)
        assert bad.value.tolist() == [np.log(2), -INF]
        assert {node.operation for node in caught.value.drawing.description.nodes} >= {"log", "multiply", "sqrt"}

    def test_of_what_is_not_recorded(self) -> None:
        with anomaly() as caught:
            Tensor([1.0]) / Tensor([0.0], name="divisor")
        nodes = caught.value.drawing.description.nodes
        assert [(node.name, node.role) for node in nodes] == [(None, "constant"), ("divisor", "constant"), (None, "operation")]
        assert nodes[-1].marked

    def test_backward(self) -> None:
        x = leaf([1.0, 0.0])
        with anomaly() as caught:
            (np.sqrt(x) * 3).sum().backward()
        bad = self.marked(caught.value)
        assert bad.operation == "sqrt"
        assert bad.gradient.tolist() == [3.0, 3.0]
        (edge,) = caught.value.drawing.description.edges
        assert edge.gradient is not None
        assert edge.gradient.tolist() == [1.5, INF]  # type: ignore[union-attr]

    def test_values_are_those_that_are_known(self) -> None:
        for function, own, before in ((np.log, None, [0.0, 4.0]), (np.sqrt, [0.0, 2.0], None)):
            with np.errstate(divide="ignore"):
                y = function(leaf([0.0, 4.0]) * 1).sum()
            with anomaly() as caught:
                y.backward()
            drawn = caught.value.drawing.description.nodes
            (argument,) = [node for node in drawn if node.operation == "multiply"]
            for node, value in ((self.marked(caught.value), own), (argument, before)):
                assert (None if node.value is None else node.value.tolist()) == value
                assert ("not kept" in node.no_value) == (value is None)

    def test_only_the_neighbourhood(self) -> None:
        x = leaf([1.0])
        with anomaly() as caught:
            y = x
            for _ in range(50):
                y = y * 1.0
            np.log(y * 0.0)
        assert len(caught.value.drawing.description.nodes) < 12

    @pytest.mark.parametrize("suffix", ["dot", "gv"])
    def test_written(self, tmp_path: pathlib.Path, suffix: str) -> None:
        path = tmp_path / f"anomaly.{suffix}"
        with anomaly(picture=path) as caught:
            np.log(leaf([0.0]) * 1)
        assert caught.value.picture == path
        assert f"  picture     {path}" in str(caught.value)
        assert "log" in path.read_text(encoding="utf-8")

    def test_values_are_kept_for_it(self, tmp_path: pathlib.Path) -> None:
        with anomaly(picture=tmp_path / "a.dot") as caught:
            x = leaf([1.0, 0.0])
            np.sqrt((x + 1) - 1).sum().backward()
        nodes = caught.value.drawing.description.nodes
        values = {node.operation: node.value.tolist() for node in nodes if node.role == "operation"}
        assert values == {"add": [2.0, 1.0], "subtract": [1.0, 0.0], "sqrt": [1.0, 0.0]}

    def test_a_failure_to_draw_does_not_hide_the_error(self, tmp_path: pathlib.Path) -> None:
        for path, why in ((tmp_path / "no folder" / "a.dot", "No such file"), (tmp_path / "a.unknown", "suffix")):
            with anomaly(f"picture     none: .*{why}", picture=path) as caught:
                np.log(leaf([0.0]))
            assert caught.value.picture is None

    def test_other_errors_are_drawn_too(self, tmp_path: pathlib.Path) -> None:
        path = tmp_path / "a.dot"
        with pytest.raises(ValueError, match="do not broadcast") as caught, detect_anomaly(picture=path):
            np.exp(leaf(np.ones(3))) + np.sin(leaf(np.ones(4), "u"))
        assert f"picture: {path}" in caught.value.__notes__
        text = path.read_text(encoding="utf-8")
        assert all(word in text for word in ("exp", "sin", "add"))

    def test_other_errors_of_rules_are_drawn_too(self, tmp_path: pathlib.Path) -> None:
        path = tmp_path / "a.dot"

        @operation(name="failing")
        def failing(x: Any) -> Any:
            return x * 1

        failing.rules(lambda g: g[:1])
        with pytest.raises(ValueError, match="returned shape") as caught, detect_anomaly(picture=path):
            failing(np.exp(leaf(np.ones(3)))).sum().backward()
        assert caught.value.__notes__[0] == f"picture: {path}"
        assert "in the backward pass, at operation 'failing'" in caught.value.__notes__[1]
        assert "failing" in path.read_text(encoding="utf-8")

    @pytest.mark.parametrize("f", [lambda: np.log(Tensor([0.0])), lambda: ad.stack([leaf([1.0]), leaf([1.0, 2.0])]),
                                   lambda: F.linear(Tensor(np.ones((1, 2))), Tensor(np.ones((1, 3)))),
                                   lambda: write(leaf([1.0]) * 1, leaf([1.0, 2.0])), lambda: two(leaf([0.0]))])  # fmt: skip
    def test_every_kind_of_operation(self, f: Callable[[], Any], tmp_path: pathlib.Path) -> None:
        path = tmp_path / "a.dot"
        with pytest.raises((ValueError, AnomalyError)), detect_anomaly(picture=path):
            f()
        assert path.exists()


class TestTheSwitch:
    def test_off_again(self) -> None:
        with detect_anomaly():
            nothing()
        with np.errstate(all="ignore"):
            assert np.log(leaf([0.0])).item() == -INF

    def test_a_decorator(self) -> None:
        @detect_anomaly(check="nan")
        def f(x: Tensor) -> Tensor:
            return np.sqrt(x)

        @detect_anomaly()
        def g() -> Any:
            yield 1
            yield np.log(leaf([0.0]))

        with pytest.raises(AnomalyError):
            f(leaf([-1.0]))
        steps = g()
        assert next(steps) == 1
        assert ad.graph.current_mode() is None
        with pytest.raises(AnomalyError):
            next(steps)

    def test_the_inner_one_governs(self) -> None:
        x = leaf([0.0])
        with detect_anomaly():
            with detect_anomaly(check="nan"):
                np.log(x)
            with pytest.raises(AnomalyError):
                np.log(x)

    def test_numpys_warnings_are_silent_inside_only(self) -> None:
        before = np.geterr()
        with detect_anomaly(check="nan"):
            np.log(leaf([0.0]))
            assert np.geterr()["divide"] == "ignore"
        assert np.geterr() == before
        with anomaly():
            np.log(leaf([0.0]))
        assert np.geterr() == before

    def test_left_out_of_turn(self) -> None:
        before = np.geterr()
        outer, inner = detect_anomaly(), detect_anomaly()
        outer.__enter__()
        inner.__enter__()
        outer.__exit__()
        assert ad.graph.current_mode() is not None
        inner.__exit__()
        assert ad.graph.current_mode() is None
        assert np.geterr() == before

    def test_a_trace_inside(self) -> None:
        x = leaf([1.0, 4.0])
        with detect_anomaly(), trace() as seen:
            y = np.sqrt(x).sum()
            with pytest.raises(AnomalyError):
                np.log(x * 0)
        y.backward()
        assert [node.operation.name for node in seen.nodes] == ["sqrt", "sum", "multiply", "log"]
        assert seen.nodes[0].notes.record.gradient.tolist() == [1, 1]
        assert seen.nodes[0].notes.record.contributions[0].tolist() == [0.5, 0.25]

    def test_inside_a_trace(self) -> None:
        x = leaf([1.0, 0.0])
        with trace() as seen:
            x * 2
            with detect_anomaly():
                y = np.sqrt(x).sum()
            with pytest.raises(AnomalyError) as caught:
                y.backward()
            x * 3
        assert [node.operation.name for node in seen.nodes] == ["multiply", "sqrt", "sum", "multiply"]
        assert "argument x" not in str(caught.value)  # the rule of sqrt sees only its output

    def test_a_graph_traced_before_is_watched(self) -> None:
        with trace():
            y = np.sqrt(leaf([0.0])).sum()
        with anomaly() as caught:
            y.backward()
        assert caught.value.source.startswith(__file__)

    def test_a_drawing_of_a_watched_graph_is_as_ever(self) -> None:
        def described() -> Any:
            x = leaf([1.0, 2.0])
            y = np.exp(x * 2).sum() + sum(two(x))
            return [(node.id, node.no_value, node.no_gradient) for node in ad.draw(y.sum()).description.nodes]

        plain = described()
        with detect_anomaly():
            assert described() == plain

    def test_no_node_is_kept_alive(self) -> None:
        w = leaf([1.0, 2.0])
        gc.collect()
        gc.disable()
        try:
            for picture in (None, "anomaly.svg"):
                with detect_anomaly(picture=picture):
                    died = []
                    for _ in range(3):
                        y = np.exp(w * 2).sum()
                        y.backward()
                        died.append(weakref.ref(y._node))
                        del y
                    assert [reference() for reference in died] == [None] * 3
        finally:
            gc.enable()

    @pytest.mark.parametrize("picture", [False, True])
    @pytest.mark.parametrize("fail", ["forward", "backward", "hook", "seed", "rule"])
    def test_no_graph_outlives_the_error(self, fail: str, picture: bool, tmp_path: pathlib.Path) -> None:
        def step() -> weakref.ref[Any]:
            y = np.exp(w * 2).sum()
            seen = weakref.ref(y._node)
            with contextlib.suppress(AnomalyError, ValueError), detect_anomaly(picture=tmp_path / "a.dot" if picture else None):
                if fail == "forward":
                    np.log(y * 0)
                elif fail == "backward":
                    np.sqrt(y * 0).backward()
                elif fail == "seed":
                    y.backward(np.array(NAN))
                elif fail == "rule":
                    shrinking(y * ad.ones(2)).sum().backward()
                else:
                    y.register_hook(lambda g: g.numpy() * NAN)
                    y.backward()
            return seen

        w = leaf([1.0, 2.0])
        gc.collect()
        gc.disable()
        try:
            assert [step()() for _ in range(2)] == [None, None]
        finally:
            gc.enable()

    def test_what_was_recorded_outside_is_not_watched_afterwards(self) -> None:
        x = leaf([1.0, 2.0])
        x.register_hook(lambda g: None)
        y = (x * 2).sum()
        with trace():
            z = (x * 3).sum()
        with detect_anomaly():
            y.backward(retain_graph=True)
            z.backward(retain_graph=True)
            with pytest.raises(AnomalyError):
                (y * np.sqrt(z * 0)).backward(retain_graph=True)
        for result in (y, z):
            result.backward(np.array(NAN))
        assert x._node.notes.record is None
        assert y._node.notes.record is None
        assert z._node.notes.record.watch is None

    def test_gradients_are_the_same(self) -> None:
        def run() -> Any:
            nn.manual_seed(3)
            model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
            nn.CrossEntropyLoss()(model(np.linspace(-1, 1, 12).reshape(4, 3)), np.array([0, 1, 1, 0])).backward()
            x = leaf(np.arange(6.0).reshape(2, 3))
            y = x * 1
            y[0] = y[1] * 2
            a, b = ad.split(ad.concatenate([y, y * x], axis=1), 2, axis=1)
            (a * b[:, :1]).sum().backward()
            return [p.grad.tolist() for p in [*model.parameters(), x]]

        plain = run()
        with detect_anomaly():
            assert run() == plain

    def test_threads_are_independent(self) -> None:
        outcomes: dict[str, Any] = {}
        barrier = threading.Barrier(2)

        def work(name: str, watched: bool) -> None:
            def run() -> None:
                with np.errstate(all="ignore"):
                    barrier.wait()
                    try:
                        if watched:
                            with detect_anomaly():
                                barrier.wait()
                                np.log(leaf([0.0]))
                        else:
                            barrier.wait()
                            outcomes[name] = np.log(leaf([0.0])).item()
                    except AnomalyError as error:
                        outcomes[name] = error.operation

            contextvars.Context().run(run)

        threads = [threading.Thread(target=work, args=("a", True)), threading.Thread(target=work, args=("b", False))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == {"a": "log", "b": -INF}

    def test_tasks_are_independent(self) -> None:
        async def watched() -> str:
            with detect_anomaly():
                await asyncio.sleep(0)
                try:
                    np.log(leaf([0.0]))
                except AnomalyError as error:
                    return error.operation
            return ""

        async def plain() -> float:
            with np.errstate(all="ignore"):
                await asyncio.sleep(0)
                return float(np.log(leaf([0.0])).item())

        async def both() -> Any:
            return await asyncio.gather(watched(), plain())

        assert asyncio.run(both()) == ["log", -INF]

    def test_integers_and_booleans_are_no_matter(self) -> None:
        with detect_anomaly():
            Tensor([1, 2]) // Tensor([1, 1])
            ad.argmax(leaf([1.0, INF]))
            assert (leaf([NAN]) > 0).tolist() == [False]


UNARY: list[Callable[[Any], Any]] = [
    np.sin, np.tanh, np.square, np.negative, np.abs, np.cumsum, lambda x: np.exp(-x * x), lambda x: np.sqrt(x * x + 1),
    lambda x: x[::-1], lambda x: np.where(x > 0, x, 0.5), lambda x: np.log1p(x * x), lambda x: x / (1 + x * x),
    lambda x: x.reshape(2, 2).T.reshape(4), lambda x: F.softmax(x, dim=-1), lambda x: x - x.mean(),
]  # fmt: skip
BINARY: list[Callable[[Any, Any], Any]] = [
    np.add, np.subtract, np.multiply, np.maximum, lambda a, b: np.concatenate([a[:2], b[2:]]), lambda a, b: (a @ b) + a * 0,
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_graph_without_nan_and_infinities_never_raises(data: Any) -> None:
    numbers = st.lists(st.floats(-3, 3), min_size=4, max_size=4)
    with detect_anomaly():
        tensors = [leaf(data.draw(numbers)) for _ in range(2)]
        leaves = list(tensors)
        for _ in range(data.draw(st.integers(1, 8))):
            a, b = (data.draw(st.sampled_from(tensors)) for _ in range(2))
            if data.draw(st.booleans()):
                made = np.tanh(data.draw(st.sampled_from(BINARY))(a, b))
            else:
                made = data.draw(st.sampled_from(UNARY))(np.tanh(a))
            tensors.append(made)
        total = sum((t * t).sum() for t in tensors)
        total.backward()
    assert all(np.isfinite(x.grad.numpy()).all() for x in leaves)
