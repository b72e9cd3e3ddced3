"""Losses of numbers, decisions, distributions and regions: one table of cases, and what is proven of every one of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import functional as F

REDUCTIONS = ("mean", "sum", "none")
RNG = np.random.default_rng(5)
SHAPE = (3, 4)
X, T = RNG.normal(0, 1.5, (2, *SHAPE))
P, Q = RNG.uniform(0.05, 0.95, (2, *SHAPE))
YES = RNG.integers(0, 2, SHAPE)
SIGNS = 2 * YES - 1
W = RNG.uniform(0.5, 2, SHAPE)
PER_CLASS = np.array([1.0, 2.0, 0.5, 3.0])
LOG_P = X - np.log(np.exp(X).sum(1, keepdims=True))
LOG_Q = T - np.log(np.exp(T).sum(1, keepdims=True))
COUNTS = RNG.uniform(0, 5, SHAPE)  # none near 1, where Stirling's formula sets in
CLASSES = np.array([0, 3, 1])


@dataclass(frozen=True)
class Case:
    """A loss and how it is called.

    name     of the function
    args     what it takes first: the prediction, the target, ...
    define   the definition in NumPy, from args, options and arrays: one loss for each sample
    options  numbers and switches
    arrays   floating options, into which gradients flow too
    module   the name of its Module, where it takes these options
    weights  by what the mean is weighted, from args and arrays; None for a plain mean
    torch    the name of PyTorch's function, and which of `arrays` have a gradient there
    """

    name: str
    args: tuple[np.ndarray, ...]
    define: Callable[..., np.ndarray]
    options: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    module: str = ""
    weights: Callable[..., np.ndarray] | None = None
    torch: str = ""
    torch_tracks: tuple[str, ...] = ()

    @property
    def function(self) -> Callable[..., Any]:
        return getattr(F, self.name)

    def floating(self) -> list[np.ndarray]:
        return [a for a in (*self.args, *self.arrays.values()) if a.dtype.kind == "f"]

    def on(self, reduction: str) -> Callable[..., Any]:
        """The loss as a function of its floating arguments alone."""

        def f(*values: Any) -> Any:
            left = list(values)
            args = [left.pop(0) if a.dtype.kind == "f" else a for a in self.args]
            return self.function(*args, **dict(zip(self.arrays, left, strict=True)), **self.options, reduction=reduction)

        return f


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def huber(x: np.ndarray, t: np.ndarray, delta: float = 1.0) -> np.ndarray:
    d = abs(x - t)
    return np.where(d <= delta, d**2 / 2, delta * (d - delta / 2))


def surprise(p: np.ndarray, t: np.ndarray, weight: Any = 1.0) -> np.ndarray:
    return -weight * (t * np.log(p) + (1 - t) * np.log(1 - p))


def surprise_of_logits(x: np.ndarray, t: np.ndarray, weight: Any = 1.0, pos_weight: Any = 1.0) -> np.ndarray:
    return -weight * (pos_weight * t * np.log(logistic(x)) + (1 - t) * np.log(logistic(-x)))


def divergence(x: np.ndarray, t: np.ndarray, log_target: bool = False) -> np.ndarray:
    return np.exp(t) * (t - x) if log_target else t * (np.log(t) - x)


def poisson(x: np.ndarray, t: np.ndarray, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> np.ndarray:
    rate, log_rate = (np.exp(x), x) if log_input else (x, np.log(x + eps))
    stirling = np.where(t > 1, t * np.log(t) - t + np.log(2 * np.pi * t) / 2, 0)
    return rate - t * log_rate + full * stirling


def gaussian(x: np.ndarray, t: np.ndarray, var: np.ndarray, full: bool = False, eps: float = 1e-6) -> np.ndarray:
    var = np.maximum(var.reshape((*var.shape, 1)) if var.ndim == 1 else var, eps)
    return ((x - t) ** 2 / var + np.log(var) + full * np.log(2 * np.pi)) / 2


def negative_log_likelihood(x: np.ndarray, classes: np.ndarray, weight: Any = (1, 1, 1, 1), ignore_index: int = -100) -> Any:
    return np.array([0.0 if c == ignore_index else -weight[c] * row[c] for row, c in zip(x, classes, strict=True)])


def sigmoid_focal(x: np.ndarray, t: np.ndarray, alpha: float | None = 0.25, gamma: float = 2.0) -> np.ndarray:
    p = logistic(x)
    p_t = p * t + (1 - p) * (1 - t)
    alpha_t = 1 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
    return alpha_t * (1 - p_t) ** gamma * surprise(p, t)


def softmax_focal(
    x: np.ndarray, classes: np.ndarray, weight: Any = (1, 1, 1, 1), gamma: float = 2.0, ignore_index: int = -100
) -> np.ndarray:
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return np.array(
        [
            0.0 if c == ignore_index else -weight[c] * (1 - row[c]) ** gamma * math.log(row[c])
            for row, c in zip(p, classes, strict=True)
        ]
    )


def dice(p: np.ndarray, t: np.ndarray, smooth: float = 1.0, dim: Any = 1) -> np.ndarray:
    return 1 - (2 * (p * t).sum(dim) + smooth) / ((p**2).sum(dim) + (t**2).sum(dim) + smooth)


def squared_hinge(x: np.ndarray, t: np.ndarray, margin: float = 1.0) -> np.ndarray:
    return np.maximum(0, margin - t * x) ** 2


BCE, LOGITS = "binary_cross_entropy", "binary_cross_entropy_with_logits"
OF_CLASSES: dict[str, Any] = {"arrays": {"weight": PER_CLASS}, "weights": lambda x, classes, weight: weight[classes]}
VAR = W[:, :1]
CASES: dict[str, Case] = {
    "l1": Case("l1_loss", (X, T), lambda x, t: abs(x - t), module="L1Loss", torch="l1_loss"),
    "l1, weight": Case(
        "l1_loss", (X, T), lambda x, t, weight: weight * abs(x - t), arrays={"weight": W}, weights=lambda x, t, weight: weight,
        torch="l1_loss", torch_tracks=("weight",),
    ),
    "mse": Case("mse_loss", (X, T), lambda x, t: (x - t) ** 2, module="MSELoss", torch="mse_loss"),
    "mse, weight": Case(
        "mse_loss", (X, T), lambda x, t, weight: weight * (x - t) ** 2, arrays={"weight": W}, weights=lambda x, t, weight: weight,
        torch="mse_loss", torch_tracks=("weight",),
    ),
    "huber": Case("huber_loss", (X, T), huber, module="HuberLoss", torch="huber_loss"),
    "huber, delta": Case("huber_loss", (X, T), huber, {"delta": 0.3}, module="HuberLoss", torch="huber_loss"),
    "huber, weight": Case(
        "huber_loss", (X, T), lambda x, t, weight, delta: weight * huber(x, t, delta), {"delta": 2.0}, {"weight": W},
        torch="huber_loss", torch_tracks=("weight",),
    ),
    "smooth l1": Case("smooth_l1_loss", (X, T), huber, module="SmoothL1Loss", torch="smooth_l1_loss"),
    "smooth l1, beta": Case(
        "smooth_l1_loss", (X, T), lambda x, t, beta: huber(x, t, beta) / beta, {"beta": 0.3}, module="SmoothL1Loss",
        torch="smooth_l1_loss",
    ),
    "smooth l1, no beta": Case(
        "smooth_l1_loss", (X, T), lambda x, t, beta: abs(x - t), {"beta": 0}, module="SmoothL1Loss", torch="smooth_l1_loss"
    ),
    "bce": Case(BCE, (P, Q), surprise, module="BCELoss", torch=BCE),
    "bce, yes or no": Case(BCE, (P, YES), surprise, module="BCELoss", torch=BCE),
    "bce, weight": Case(BCE, (P, Q), surprise, arrays={"weight": PER_CLASS}, module="BCELoss", torch=BCE),
    "bce of logits": Case(LOGITS, (X, Q), surprise_of_logits, module="BCEWithLogitsLoss", torch=LOGITS),
    "bce of logits, yes or no": Case(LOGITS, (X, YES), surprise_of_logits, module="BCEWithLogitsLoss", torch=LOGITS),
    "bce of logits, weight": Case(
        LOGITS, (X, Q), surprise_of_logits, arrays={"weight": W[:, :1]}, module="BCEWithLogitsLoss", torch=LOGITS
    ),
    "bce of logits, pos_weight": Case(
        LOGITS, (X, Q), surprise_of_logits, arrays={"pos_weight": PER_CLASS}, module="BCEWithLogitsLoss", torch=LOGITS
    ),
    "bce of logits, both": Case(
        LOGITS, (X, YES), surprise_of_logits, arrays={"weight": W, "pos_weight": PER_CLASS}, module="BCEWithLogitsLoss",
        torch=LOGITS,
    ),
    "squared hinge": Case("squared_hinge_loss", (X, SIGNS), squared_hinge, module="SquaredHingeLoss"),
    "squared hinge, margin": Case("squared_hinge_loss", (X, SIGNS), squared_hinge, {"margin": 2.0}, module="SquaredHingeLoss"),
    "kl": Case("kl_div", (LOG_P, Q), divergence, module="KLDivLoss", torch="kl_div"),
    "kl of logarithms": Case("kl_div", (LOG_P, LOG_Q), divergence, {"log_target": True}, module="KLDivLoss", torch="kl_div"),
    "poisson": Case("poisson_nll_loss", (X, COUNTS), poisson, module="PoissonNLLLoss", torch="poisson_nll_loss"),
    "poisson, full": Case(
        "poisson_nll_loss", (X, COUNTS), poisson, {"full": True}, module="PoissonNLLLoss", torch="poisson_nll_loss"
    ),
    "poisson of rates": Case(
        "poisson_nll_loss", (W, COUNTS), poisson, {"log_input": False, "eps": 0.1, "full": True}, module="PoissonNLLLoss",
        torch="poisson_nll_loss",
    ),
    "gaussian": Case("gaussian_nll_loss", (X, T, W), gaussian, module="GaussianNLLLoss", torch="gaussian_nll_loss"),
    "gaussian, full": Case(
        "gaussian_nll_loss", (X, T, VAR), gaussian, {"full": True}, module="GaussianNLLLoss", torch="gaussian_nll_loss"
    ),
    "gaussian, one var a row": Case(
        "gaussian_nll_loss", (X, T, W[:, 0].copy()), gaussian, module="GaussianNLLLoss", torch="gaussian_nll_loss"
    ),
    "nll": Case("nll_loss", (LOG_P, CLASSES), negative_log_likelihood, module="NLLLoss", torch="nll_loss"),
    "nll, weight": Case("nll_loss", (LOG_P, CLASSES), negative_log_likelihood, module="NLLLoss", torch="nll_loss", **OF_CLASSES),
    "nll, ignored": Case(
        "nll_loss", (LOG_P, CLASSES), negative_log_likelihood, {"ignore_index": 3}, module="NLLLoss", torch="nll_loss",
        weights=lambda x, classes: classes != 3,
    ),
    "sigmoid focal": Case("sigmoid_focal_loss", (X, Q), sigmoid_focal, module="FocalLoss"),
    "sigmoid focal, yes or no": Case(
        "sigmoid_focal_loss", (X, YES), sigmoid_focal, {"alpha": None, "gamma": 0.5}, module="FocalLoss"
    ),
    "softmax focal": Case("softmax_focal_loss", (X, CLASSES), softmax_focal, module="SoftmaxFocalLoss"),
    "softmax focal, weight": Case(
        "softmax_focal_loss", (X, CLASSES), softmax_focal, {"gamma": 0.5}, module="SoftmaxFocalLoss", **OF_CLASSES
    ),
    "softmax focal, ignored": Case(
        "softmax_focal_loss", (X, CLASSES), softmax_focal, {"ignore_index": 1}, module="SoftmaxFocalLoss",
        weights=lambda x, classes: classes != 1,
    ),
    "dice": Case("dice_loss", (P, Q), dice, module="DiceLoss"),
    "dice, smooth": Case("dice_loss", (P, YES), dice, {"smooth": 0.0}, module="DiceLoss"),
    "dice, dim": Case("dice_loss", (P, Q), dice, {"dim": (0,)}, module="DiceLoss"),
}  # fmt: skip
every_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def test_every_loss_has_a_case() -> None:
    here = {case.name for case in CASES.values()}
    files = ("binary", "classification", "distribution", "focal", "overlap", "regression")
    public = {f.__name__ for f in vars(F).values() if getattr(f, "__module__", "").removeprefix("nn.loss.") in files}
    assert public - here == {"cross_entropy"}  # which has a file of its own
    assert len(here) > 12


@every_reduction
@every_case
def test_values_are_the_definition(case: Case, reduction: str) -> None:
    losses = case.define(*case.args, **case.options, **case.arrays)
    expected = losses
    if reduction == "sum":
        expected = losses.sum()
    elif reduction == "mean":
        expected = losses.mean() if case.weights is None else losses.sum() / case.weights(*case.args, **case.arrays).sum()
    found = case.on(reduction)(*case.floating())
    assert isinstance(found, ad.Tensor)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)


@every_reduction
@pytest.mark.parametrize("case", [c for c in CASES.values() if c.torch], ids=[n for n, c in CASES.items() if c.torch])
def test_values_and_gradients_are_those_of_pytorch(case: Case, reduction: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    wants = [True] * sum(a.dtype.kind == "f" for a in case.args) + [name in case.torch_tracks for name in case.arrays]
    mine = [ad.Tensor(a, requires_grad=want) for a, want in zip(case.floating(), wants, strict=True)]
    theirs = [torch.tensor(a, requires_grad=want) for a, want in zip(case.floating(), wants, strict=True)]
    left = list(theirs)
    binary = case.torch.startswith("binary")  # where PyTorch asks for floating targets
    args = [left.pop(0) if a.dtype.kind == "f" else torch.tensor(a, dtype=torch.float64 if binary else None) for a in case.args]
    options = dict(zip(case.arrays, left, strict=True))
    ours = case.on(reduction)(*mine)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "reduction: 'mean' divides")  # which PyTorch says of kl_div
        other = getattr(torch.nn.functional, case.torch)(*args, **options, **case.options, reduction=reduction)
    np.testing.assert_allclose(ours.numpy(), other.detach().numpy(), rtol=1e-10, atol=1e-13)
    (ours * ours).sum().backward()
    (other * other).sum().backward()
    for a, b, want in zip(mine, theirs, wants, strict=True):
        if want:
            assert a.grad is not None
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("module", sorted({case.module for case in CASES.values() if case.torch and case.module}))
def test_modules_take_what_those_of_pytorch_take(module: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    import inspect

    ours = inspect.signature(getattr(nn, module)).parameters
    theirs = inspect.signature(getattr(torch.nn, module)).parameters
    assert [(n, p.default, p.kind) for n, p in ours.items()] == [
        (n, p.default, p.kind) for n, p in theirs.items() if n not in ("size_average", "reduce")
    ]


@every_reduction
@every_case
def test_gradients_to_second_order(case: Case, reduction: str) -> None:
    ad.check_grads(case.on(reduction), *case.floating(), directions=1)


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.module], ids=[n for n, c in CASES.items() if c.module])
def test_modules_are_their_functions(case: Case) -> None:
    for reduction in REDUCTIONS:
        module = getattr(nn, case.module)(**case.options, **case.arrays, reduction=reduction)
        expected = case.on(reduction)(*case.floating())
        np.testing.assert_array_equal(module(*(ad.Tensor(a) for a in case.args)).numpy(), expected.numpy())
        assert list(module.state_dict()) == list(case.arrays)
    with pytest.raises(ValueError, match=f"{case.module}: reduction is .*'mean', 'sum' or 'none', got 'average'"):
        getattr(nn, case.module)(reduction="average")


@every_case
def test_a_float32_prediction_makes_everything_float32(case: Case) -> None:
    """Targets and weights come as NumPy makes them, in float64."""
    found = []
    for dtype in (np.float64, np.float32):
        x = ad.Tensor(case.args[0].astype(dtype), requires_grad=True)
        y = case.function(x, *case.args[1:], **case.options, **case.arrays, reduction="none")
        y.sum().backward()
        assert x.grad is not None
        assert y.dtype == x.grad.dtype == dtype
        found.append((y.numpy(), x.grad.numpy()))
    for exact, close in zip(*found, strict=True):
        np.testing.assert_allclose(close, exact, rtol=2e-5, atol=2e-6)


@every_case
def test_numbers_of_numpy_leave_float32_as_it_is(case: Case) -> None:
    """A margin may come out of np.linspace."""
    options = {key: np.float64(value) if isinstance(value, float) else value for key, value in case.options.items()}
    y = case.function(case.args[0].astype(np.float32), *case.args[1:], **options, **case.arrays)
    assert y.dtype == np.float32


@every_case
def test_only_wanted_gradients_are_made_and_no_argument_is_written_to(case: Case) -> None:
    for wanted in range(len(case.floating())):
        values = [ad.Tensor(a, requires_grad=i == wanted) for i, a in enumerate(case.floating())]
        whole = [ad.Tensor(a, requires_grad=True) for a in case.floating()]
        for tensors in (values, whole):
            y = case.on("mean")(*tensors)
            y.backward(retain_graph=True)
            y.backward()
        for i, (one, of_all, data) in enumerate(zip(values, whole, case.floating(), strict=True)):
            np.testing.assert_array_equal(one.numpy(), data)
            assert (one.grad is not None) == (i == wanted)
            if i == wanted:
                np.testing.assert_allclose(one.grad.numpy(), of_all.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("name", sorted({case.name for case in CASES.values()}))
def test_every_loss_refuses_what_does_not_fit(name: str) -> None:
    case = next(c for c in CASES.values() if c.name == name and not c.arrays)
    x, target, *rest = case.args
    with pytest.raises(ValueError, match=rf"{name}: reduction is .*got 'avg'"):
        case.function(x, target, *rest, reduction="avg")
    with pytest.raises(TypeError, match=rf"{name}: the input has dtype int64, expected floating"):
        case.function(np.ones(x.shape, int), target, *rest)
    with pytest.raises(TypeError, match=rf"{name}: the target has dtype complex128"):
        case.function(x, target.astype(complex), *rest)
    with pytest.raises(ValueError, match=rf"{name}: .*[wW]rite target.reshape\(\({len(target)},"):
        case.function(x if target.ndim == 1 else x[:, 0], target.reshape(-1, 1) if target.ndim == 1 else target[:, :1], *rest)
    none = [a[:0] for a in (x, target, *rest)]
    with pytest.raises(ValueError, match=f"{name}: the batch is empty.*so there is no mean; use reduction='sum' to get 0"):
        case.function(*none, reduction="mean")
    assert case.function(*none, reduction="sum").item() == 0


@pytest.mark.parametrize("name", sorted({case.name for case in CASES.values() if case.args[1].ndim > 1}))
def test_no_loss_broadcasts(name: str) -> None:
    x = np.full((4, 1), 0.5)
    for target in (np.ones(4), 1.0):
        with pytest.raises(ValueError, match=rf"{name}: .*they must be equal"):
            getattr(F, name)(x, target, *([x] if name.startswith("gauss") else []))
