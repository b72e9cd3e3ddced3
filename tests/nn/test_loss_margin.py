"""Losses of margins, pairs and triplets, distance and similarity: one table of cases, and what is proven of every one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import functional as F
from nn.loss import margin

REDUCTIONS = ("mean", "sum", "none")
RNG = np.random.default_rng(11)
X, Y, Z = RNG.normal(0, 1.5, (3, 5, 4))
PROBABLE = RNG.uniform(0, 1, (5, 4))
SIGNS = 2 * RNG.integers(0, 2, (5, 4)) - 1
CLASSES = np.array([0, 3, 1, 3, 2])
LISTS = np.array([[3, 0, -1, 1], [1, -1, -1, -1], [-1, 2, 0, 1], [0, 1, 2, 3], [2, 2, -1, 0]])
WEIGHT = np.array([1.0, 2.0, 0.5, 3.0])


@dataclass(frozen=True)
class Case:
    """A loss and how it is called.

    name     of the function, here and in PyTorch
    args     what it takes first; floating ones have a gradient
    define   the definition in NumPy, from args, options and arrays: one loss for each sample
    module   the name of its Module, here and in PyTorch
    options  numbers and switches
    arrays   floating options, into which gradients flow too
    tracks   which of `arrays` have a gradient in PyTorch
    """

    name: str
    args: tuple[np.ndarray, ...]
    define: Callable[..., Any]
    module: str
    options: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    tracks: tuple[str, ...] = ()

    @property
    def function(self) -> Callable[..., Any]:
        return getattr(F, self.name)

    @property
    def is_loss(self) -> bool:
        return self.name.endswith("loss")

    def floating(self) -> list[np.ndarray]:
        return [a for a in (*self.args, *self.arrays.values()) if a.dtype.kind == "f"]

    def on(self, reduction: str) -> Callable[..., Any]:
        """The loss as a function of its floating arguments alone."""

        def f(*values: Any) -> Any:
            left = list(values)
            args = [left.pop(0) if a.dtype.kind == "f" else a for a in self.args]
            how = {"reduction": reduction} if self.is_loss else {}
            return self.function(*args, **dict(zip(self.arrays, left, strict=True)), **self.options, **how)

        return f


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log(1 + np.exp(x))


def hinge_embedding(x: np.ndarray, t: np.ndarray, margin: float = 1.0) -> np.ndarray:
    return np.where(t == 1, x, np.maximum(0, margin - x))


def multi_margin(x: np.ndarray, classes: np.ndarray, p: int = 1, margin: float = 1.0, weight: Any = (1, 1, 1, 1)) -> Any:
    return np.array(
        [
            weight[c] * sum(max(0, margin - row[c] + row[j]) ** p for j in range(len(row)) if j != c) / len(row)
            for row, c in zip(x, classes, strict=True)
        ]
    )


def multilabel_margin(x: np.ndarray, lists: np.ndarray) -> np.ndarray:
    losses = []
    for row, listed in zip(x, lists.tolist(), strict=True):
        right = listed[: listed.index(-1)] if -1 in listed else listed
        terms = [max(0, 1 - row[i] + row[j]) for i in right for j in range(len(row)) if j not in right]
        losses.append(sum(terms) / len(row))
    return np.array(losses)


def multilabel_soft_margin(x: np.ndarray, q: np.ndarray, weight: Any = 1.0) -> np.ndarray:
    return (weight * (q * softplus(-x) + (1 - q) * softplus(x))).mean(axis=-1)


def distance(x1: np.ndarray, x2: np.ndarray, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    return np.linalg.norm(x1 - x2 + eps, p, axis=-1, keepdims=keepdim)


def cosine(x1: np.ndarray, x2: np.ndarray, dim: int = 1, eps: float = 1e-8) -> Any:
    return (x1 * x2).sum(dim) / (np.linalg.norm(x1, axis=dim) * np.linalg.norm(x2, axis=dim))


def cosine_embedding(x1: np.ndarray, x2: np.ndarray, t: np.ndarray, margin: float = 0.0) -> np.ndarray:
    c = cosine(x1, x2)
    return np.where(t == 1, 1 - c, np.maximum(0, c - margin))


def ranking(x1: np.ndarray, x2: np.ndarray, t: np.ndarray, margin: float = 0.0) -> np.ndarray:
    return np.maximum(0, margin - t * (x1 - x2))


def triplet(
    a: np.ndarray,
    near: np.ndarray,
    far: np.ndarray,
    margin: float = 1.0,
    swap: bool = False,
    distance_function: Callable[..., Any] = distance,
    **how: Any,
) -> Any:
    nearest = np.minimum(distance_function(a, far, **how), distance_function(near, far, **how) if swap else np.inf)
    return np.maximum(0, margin + distance_function(a, near, **how) - nearest)


def city(x1: Any, x2: Any) -> Any:
    return abs(x1 - x2).sum(-1)


MULTI, LIST, SOFT_LABELS = "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss"
COSINE, TRIPLET, TRIPLET_BY = "cosine_embedding_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss"
CASES: dict[str, Case] = {
    "soft margin": Case("soft_margin_loss", (X, SIGNS), lambda x, t: softplus(-t * x), "SoftMarginLoss"),
    "hinge embedding": Case("hinge_embedding_loss", (X, SIGNS), hinge_embedding, "HingeEmbeddingLoss"),
    "hinge embedding, margin": Case("hinge_embedding_loss", (X, SIGNS), hinge_embedding, "HingeEmbeddingLoss", {"margin": 2.0}),
    "multi-margin": Case(MULTI, (X, CLASSES), multi_margin, "MultiMarginLoss"),
    "multi-margin, squared": Case(MULTI, (X, CLASSES), multi_margin, "MultiMarginLoss", {"p": 2, "margin": 0.7}),
    "multi-margin, weight": Case(MULTI, (X, CLASSES), multi_margin, "MultiMarginLoss", arrays={"weight": WEIGHT}),
    "multi-margin, all": Case(MULTI, (X, CLASSES), multi_margin, "MultiMarginLoss", {"p": 2}, {"weight": WEIGHT}),
    "multi-label margin": Case(LIST, (X, LISTS), multilabel_margin, "MultiLabelMarginLoss"),
    "multi-label soft margin": Case(SOFT_LABELS, (X, PROBABLE), multilabel_soft_margin, "MultiLabelSoftMarginLoss"),
    "multi-label soft margin, weight": Case(
        SOFT_LABELS, (X, PROBABLE), multilabel_soft_margin, "MultiLabelSoftMarginLoss", arrays={"weight": WEIGHT},
        tracks=("weight",),
    ),
    "multi-label soft margin, yes or no": Case(
        SOFT_LABELS, (X, SIGNS > 0), multilabel_soft_margin, "MultiLabelSoftMarginLoss"
    ),
    "ranking": Case("margin_ranking_loss", (X, Y, SIGNS), ranking, "MarginRankingLoss"),
    "ranking, margin": Case("margin_ranking_loss", (X[0], Y[0], SIGNS[0]), ranking, "MarginRankingLoss", {"margin": 1.0}),
    "cosine embedding": Case(COSINE, (X, Y, SIGNS[:, 0]), cosine_embedding, "CosineEmbeddingLoss"),
    "cosine embedding, margin": Case(COSINE, (X, Y, SIGNS[:, 0]), cosine_embedding, "CosineEmbeddingLoss", {"margin": -0.5}),
    "triplet": Case(TRIPLET, (X, Y, Z), triplet, "TripletMarginLoss"),
    "triplet, margin, swap": Case(TRIPLET, (X, Y, Z), triplet, "TripletMarginLoss", {"margin": 2.5, "swap": True}),
    "triplet, p, eps": Case(TRIPLET, (X, Y, Z), triplet, "TripletMarginLoss", {"p": 3.0, "eps": 0.1}),
    "triplet, one": Case(TRIPLET, (X[0], Y[0], Z[0]), triplet, "TripletMarginLoss", {"margin": 3.0}),
    "triplet of distance": Case(TRIPLET_BY, (X, Y, Z), triplet, "TripletMarginWithDistanceLoss"),
    "triplet of distance, city": Case(
        TRIPLET_BY, (X, Y, Z), triplet, "TripletMarginWithDistanceLoss", {"distance_function": city, "margin": 2.0, "swap": True}
    ),
    "distance": Case("pairwise_distance", (X, Y), distance, "PairwiseDistance"),
    "distance, p 1": Case("pairwise_distance", (X, Y), distance, "PairwiseDistance", {"p": 1.0, "keepdim": True}),
    "distance, p 3": Case("pairwise_distance", (X, Y[:1]), distance, "PairwiseDistance", {"p": 3.0, "eps": 0.2}),
    "distance, p inf": Case("pairwise_distance", (X[0], Y), distance, "PairwiseDistance", {"p": np.inf}),
    "similarity": Case("cosine_similarity", (X, Y), cosine, "CosineSimilarity"),
    "similarity, dim": Case("cosine_similarity", (X, Y[:, :1]), cosine, "CosineSimilarity", {"dim": 0}),
    "similarity, one": Case("cosine_similarity", (X, Y[:1]), cosine, "CosineSimilarity", {"dim": -1}),
}  # fmt: skip
LOSSES = {name: case for name, case in CASES.items() if case.is_loss}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
every_loss = pytest.mark.parametrize("case", LOSSES.values(), ids=list(LOSSES))
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def test_every_loss_has_a_case() -> None:
    public = {f.__name__ for f in vars(F).values() if getattr(f, "__module__", "") in ("nn.loss.margin", "nn.loss.pairs")}
    assert public == {case.name for case in CASES.values()}


@every_reduction
@every_case
def test_values_are_the_definition(case: Case, reduction: str) -> None:
    expected = case.define(*case.args, **case.options, **case.arrays)
    if case.is_loss and reduction != "none":
        expected = getattr(expected, reduction)()
    found = case.on(reduction)(*case.floating())
    assert isinstance(found, ad.Tensor)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11, atol=1e-13)


@every_reduction
@every_case
def test_values_and_gradients_are_those_of_pytorch(case: Case, reduction: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    indices = case.name in (MULTI, LIST)
    wants = [True] * sum(a.dtype.kind == "f" for a in case.args) + [name in case.tracks for name in case.arrays]
    mine = [ad.Tensor(a, requires_grad=want) for a, want in zip(case.floating(), wants, strict=True)]
    theirs = [torch.tensor(a, requires_grad=want) for a, want in zip(case.floating(), wants, strict=True)]
    left = list(theirs)
    args = [left.pop(0) if a.dtype.kind == "f" else torch.tensor(a, dtype=None if indices else torch.float64) for a in case.args]
    how = {"reduction": reduction} if case.is_loss else {}
    ours = case.on(reduction)(*mine)
    other = getattr(torch.nn.functional, case.name)(*args, **dict(zip(case.arrays, left, strict=True)), **case.options, **how)
    assert ours.shape == tuple(other.shape)
    np.testing.assert_allclose(ours.numpy(), other.detach().numpy(), rtol=1e-10, atol=1e-13)
    (ours * ours).sum().backward()
    (other * other).sum().backward()
    for a, b, want in zip(mine, theirs, wants, strict=True):
        if want:
            assert a.grad is not None
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("module", sorted({case.module for case in CASES.values()}))
def test_modules_take_what_those_of_pytorch_take(module: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = inspect.signature(getattr(nn, module)).parameters
    theirs = inspect.signature(getattr(torch.nn, module)).parameters
    assert [(n, p.default, p.kind) for n, p in ours.items()] == [
        (n, p.default, p.kind) for n, p in theirs.items() if n not in ("size_average", "reduce")
    ]


@every_reduction
@every_case
def test_gradients_to_second_order(case: Case, reduction: str) -> None:
    ad.check_grads(case.on(reduction), *case.floating(), directions=1)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_signs_of_a_ranking_and_of_a_soft_margin_have_gradients_too(reduction: str) -> None:
    t = ad.Tensor(SIGNS.astype(float), requires_grad=True)
    g = np.ones(X.shape) / (X.size if reduction == "mean" else 1)
    F.margin_ranking_loss(X, Y, t, margin=0.5, reduction=reduction).sum().backward()
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.numpy(), -g * (X - Y) * (0.5 - SIGNS * (X - Y) > 0), rtol=1e-12)
    t.grad = None
    F.soft_margin_loss(X, t, reduction).sum().backward()
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.numpy(), -g * X / (1 + np.exp(SIGNS * X)), rtol=1e-12)


@every_case
def test_modules_are_their_functions(case: Case) -> None:
    for reduction in REDUCTIONS if case.is_loss else ("",):
        how = {"reduction": reduction} if case.is_loss else {}
        module = getattr(nn, case.module)(**case.options, **case.arrays, **how)
        expected = case.on(reduction)(*case.floating())
        np.testing.assert_array_equal(module(*(ad.Tensor(a) for a in case.args)).numpy(), expected.numpy())
        assert list(module.state_dict()) == list(case.arrays)
    if case.is_loss:
        with pytest.raises(ValueError, match=f"{case.module}: reduction is .*'mean', 'sum' or 'none', got 'average'"):
            getattr(nn, case.module)(reduction="average")


@every_case
def test_a_float32_prediction_makes_everything_float32(case: Case) -> None:
    """Targets, weights, and in losses the other predictions come as NumPy makes them, in float64."""
    found = []
    for dtype in (np.float64, np.float32):
        x = ad.Tensor(case.args[0].astype(dtype), requires_grad=True)
        rest = case.args[1:] if case.is_loss else tuple(a.astype(dtype) for a in case.args[1:])
        y = case.function(x, *rest, **case.options, **case.arrays, **({"reduction": "none"} if case.is_loss else {}))
        y.sum().backward()
        assert x.grad is not None
        assert y.dtype == x.grad.dtype == dtype
        found.append((y.numpy(), x.grad.numpy()))
    for exact, close in zip(*found, strict=True):
        np.testing.assert_allclose(close, exact, rtol=2e-5, atol=2e-6)


@every_case
def test_large_predictions_give_finite_losses_and_derivatives(case: Case) -> None:
    """At 1e4 every value and every derivative of first and second order is finite, and nothing overflows on the way."""
    scaled = len(case.floating()) - len(case.arrays)
    values = [a * 1e4 if i < scaled and a is not PROBABLE else a for i, a in enumerate(case.floating())]
    x = [ad.Tensor(a, requires_grad=True) for a in values]
    with np.errstate(invalid="raise", over="raise", divide="raise"):
        y = case.on("none")(*x)
        first = ad.gradients(y.sum(), x, create_graph=True)
        curved = [(d * np.arange(d.size).reshape(d.shape)).sum() for d in first if d.requires_grad]
        second = ad.gradients(curved, x, allow_unused=True) if curved else []
    for array in (y, *first, *(d for d in second if d is not None)):
        assert np.isfinite(array.numpy()).all()
    raw = [ad.Tensor(a, requires_grad=True) for a in values]
    case.on("none")(*raw).sum().backward()
    for a, d in zip(raw, first, strict=True):
        assert a.grad is not None
        np.testing.assert_allclose(a.grad.numpy(), d.numpy(), rtol=1e-12, atol=1e-12)


def test_single_samples() -> None:
    for p in (1, 2):
        one = F.multi_margin_loss(X[1], 3, p=p)
        assert one.shape == ()
        assert one.item() == pytest.approx(multi_margin(X[1:2], CLASSES[1:2], p)[0])
    assert F.multilabel_margin_loss(X[0], LISTS[0], "none").item() == pytest.approx(multilabel_margin(X[:1], LISTS[:1])[0])
    assert F.multilabel_soft_margin_loss(X[0], PROBABLE[0], reduction="none").shape == ()
    assert F.cosine_embedding_loss(X[0], Y[0], -1).item() == pytest.approx(max(0, cosine(X[:1], Y[:1])[0]))


@pytest.mark.parametrize("p", [1, 2])
def test_kernel_and_reference_of_the_multi_margin_agree(p: int) -> None:
    g, found = np.arange(1.0, 6), []
    for function in (margin._multi_margin, margin._multi_margin.reference):
        x = ad.Tensor(X, requires_grad=True)
        losses = function(x, CLASSES, p, 0.8)
        losses.backward(g)
        assert x.grad is not None
        found.append((losses.numpy(), x.grad.numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


# ------------------------------------------------------------------------------------------------ kinks


KINKS: dict[str, Callable[[Any], Any]] = {
    "hinge embedding": lambda x: F.hinge_embedding_loss(x + 1.0, [-1, -1], reduction="sum"),
    "multi-margin": lambda x: F.multi_margin_loss(x, 0, margin=0.0, reduction="sum"),
    "multi-label margin": lambda x: F.multilabel_margin_loss(x + np.array([1.0, 0.0]), [0, -1], "sum"),
    "ranking": lambda x: F.margin_ranking_loss(x, np.zeros(2), [1, -1], reduction="sum"),
    "triplet": lambda x: F.triplet_margin_loss(x, np.array([0.0, 1.0]), np.array([2.0, 0.0]), margin=1.0, eps=0.0),
    "cosine embedding": lambda x: F.cosine_embedding_loss(x + np.array([1.0, 0.0]), np.array([0.0, 1.0]), -1),
    "distance of equals": lambda x: F.pairwise_distance(x, np.zeros(2), eps=0.0),
    "distance of equals, p 3": lambda x: F.pairwise_distance(x, np.zeros(2), p=3.0, eps=0.0),
}


@pytest.mark.parametrize("f", KINKS.values(), ids=list(KINKS))
def test_at_the_margin_the_slope_is_zero(f: Callable[[Any], Any]) -> None:
    x = ad.Tensor([0.0, 0.0], requires_grad=True)
    y = f(x)
    y.backward()
    assert y.item() == 0
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0]


def test_zero_vectors_have_a_cosine_and_finite_slopes() -> None:
    zero = ad.Tensor(np.zeros((1, 3)), requires_grad=True)
    other = ad.Tensor([[0.0, 3.0, 4.0]], requires_grad=True)
    similarity = F.cosine_similarity(zero, other)
    assert similarity.tolist() == [0.0]
    similarity.backward()
    assert zero.grad is not None
    np.testing.assert_allclose(zero.grad.numpy(), [[0, 0.6e8, 0.8e8]], rtol=1e-12)  # linear, in there: x @ other / (5 * 1e-8)
    for target in (1, -1):
        for x1, x2 in ((zero, other), (zero, zero)):
            first, second = ad.gradients(F.cosine_embedding_loss(x1, x2, [target], margin=-0.5), [zero, other], allow_unused=True)
            assert np.isfinite(first.numpy()).all()
            assert second is None or not second.numpy().any()


def test_short_vectors_are_divided_by_eps() -> None:
    x = np.array([[3e-3, 4e-3]])
    found = F.cosine_similarity(x, [[1.0, 0.0]], eps=0.01)
    np.testing.assert_allclose(found.numpy(), [0.3])
    ad.check_grads(lambda a: F.cosine_similarity(a, np.array([[1.0, 0.0]]), eps=0.01), x)


def test_equal_vectors_have_the_distance_that_eps_makes() -> None:
    x = ad.Tensor(np.ones((1, 4)), requires_grad=True)
    F.pairwise_distance(x, np.ones((1, 4))).backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.full((1, 4), 0.5))  # as in PyTorch


# ------------------------------------------------------------------------------------------------ what is refused


REFUSALS: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ("soft_margin_loss", (X, SIGNS > 0), {}, ValueError, r"targets are 1 .* -1 .*, got 0; labels 0 and 1 become"),
    ("soft_margin_loss", (X, PROBABLE), {}, ValueError, r"targets are 1 .* -1"),
    ("hinge_embedding_loss", (X, 2 * SIGNS), {}, ValueError, r"targets are 1 .* -1 for no, got -?2$"),
    ("margin_ranking_loss", (X, Y, SIGNS > 0), {}, ValueError, r"targets are 1 .* -1 .*, got 0; labels 0 and 1 become"),
    ("cosine_embedding_loss", (X, Y, CLASSES), {}, ValueError, r"targets are 1 .* -1"),
    ("multilabel_soft_margin_loss", (X, SIGNS), {}, ValueError, r"targets lie between 0 and 1, got -1 to 1; .*\(target \+ 1\) / 2"),
    ("soft_margin_loss", (X[:, :1], SIGNS[:, 0]), {}, ValueError, r"they must be equal.*target.reshape\(\(5, 1\)\)"),
    ("hinge_embedding_loss", (X[:, 0], SIGNS[:, :1]), {}, ValueError, r"they must be equal.*target.reshape\(\(5,\)\)"),
    ("multilabel_soft_margin_loss", (X, PROBABLE[0]), {}, ValueError, "they must be equal"),
    ("multilabel_soft_margin_loss", (1.0, 1.0), {}, ValueError, r"the input has shape \(\), expected logits of shape \(..., C\)"),
    ("multilabel_soft_margin_loss", (X, PROBABLE), {"weight": WEIGHT[:3]}, ValueError, r"weight has shape \(3,\), which does not"),
    ("margin_ranking_loss", (X[:, 0], Y[:, :1], SIGNS[:, 0]), {}, ValueError, r"the second input \(5, 1\); they must be equal"),
    ("margin_ranking_loss", (X, Y, [1]), {}, ValueError, r"the target \(1,\); they must be equal"),
    ("margin_ranking_loss", (X, Y + 0j, SIGNS), {}, TypeError, "the second input has dtype complex128"),
    ("cosine_embedding_loss", (X, Y, SIGNS), {}, ValueError, r"has shape \(5,\), the target \(5, 4\)"),
    ("cosine_embedding_loss", (X, Y[:1], SIGNS[:, 0]), {}, ValueError, r"the second input \(1, 4\); they must be equal"),
    ("cosine_embedding_loss", (X[None], Y[None], SIGNS), {}, ValueError, r"shape \(1, 5, 4\), expected vectors, \(N, D\) or"),
    ("triplet_margin_loss", (X, Y, Z[:1]), {}, ValueError, r"the negative \(1, 4\); they must be equal"),
    ("triplet_margin_loss", (X, Y[0], Z), {}, ValueError, r"the positive \(4,\); they must be equal"),
    ("triplet_margin_loss", (X, Y, Z), {"margin": 0.0}, ValueError, "margin must be above 0, got 0.0"),
    ("triplet_margin_loss", (1.0, 2.0, 3.0), {}, ValueError, r"expected vectors, \(N, D\) or \(D,\)"),
    ("triplet_margin_with_distance_loss", (X, Y, Z), {"margin": -1.0}, ValueError, "margin must be above 0, got -1.0"),
    ("multi_margin_loss", (X, CLASSES[:, None]), {}, ValueError, r"expected class indices of shape \(5,\); write target.resh"),
    ("multi_margin_loss", (X, CLASSES[:2]), {}, ValueError, r"shape \(2,\), expected class indices of shape \(5,\)$"),
    ("multi_margin_loss", (X, CLASSES * 1.0), {}, TypeError, "the target has dtype float64, expected class indices"),
    ("multi_margin_loss", (X, CLASSES + 1), {}, ValueError, "target 4 is no class: with 4 scores .* classes are 0 to 3$"),
    ("multi_margin_loss", (X, CLASSES - 1), {}, ValueError, "the target -1 is no class"),
    ("multi_margin_loss", (X[None], CLASSES), {}, ValueError, r"shape \(1, 5, 4\), expected scores of shape \(N, C\)"),
    ("multi_margin_loss", (X, CLASSES), {"p": 3}, ValueError, "p is 1 or 2, got 3"),
    ("multi_margin_loss", (X, CLASSES), {"weight": WEIGHT[:3]}, ValueError, r"weight has shape \(3,\), expected \(4,\)"),
    ("multilabel_margin_loss", (X, LISTS[:, :2]), {}, ValueError, r"shape \(5, 2\), expected class indices of shape \(5, 4\)"),
    ("multilabel_margin_loss", (X, LISTS + 1), {}, ValueError, "the target 4 is no class.*and -1 ends a row"),
    ("multilabel_margin_loss", (X, LISTS - 1), {}, ValueError, "the target -2 is no class"),
    ("multilabel_margin_loss", (X, LISTS * 1.0), {}, TypeError, "the target has dtype float64, expected class indices"),
    ("cosine_similarity", (X[0], Y[0]), {}, ValueError, r"dim=1 is no axis .* write dim=-1"),
    ("cosine_similarity", (X, Y[0]), {"dim": 0}, ValueError, r"has no axis 0; insert it with x\[None\]"),
    ("pairwise_distance", (1.0, 2.0), {}, ValueError, "expected vectors"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options", "error", "message"), REFUSALS)
def test_refuses(name: str, args: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"{name}: .*{message}"):
        getattr(F, name)(*args, **options)


@pytest.mark.parametrize("name", sorted({case.name for case in LOSSES.values()}))
def test_every_loss_refuses(name: str) -> None:
    case = next(c for c in LOSSES.values() if c.name == name)
    x, *rest = case.args
    with pytest.raises(ValueError, match=rf"{name}: reduction is .*got 'avg'"):
        case.function(x, *rest, reduction="avg")
    with pytest.raises(TypeError, match=rf"{name}: the input has dtype int64, expected floating predictions"):
        case.function(np.ones(x.shape, int), *rest)
    none = [a[:0] for a in case.args]
    with pytest.raises(ValueError, match=f"{name}: the batch is empty, so there is no mean; use reduction='sum' to get 0"):
        case.function(*none)
    assert case.function(*none, reduction="sum").item() == 0
    assert case.function(*none, reduction="none").shape[0] == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MultiMarginLoss(p=3), "MultiMarginLoss: p is 1 or 2, got 3"),
        (lambda: nn.TripletMarginLoss(margin=0.0), "TripletMarginLoss: margin must be above 0, got 0.0"),
        (lambda: nn.TripletMarginWithDistanceLoss(margin=0.0), "TripletMarginWithDistanceLoss: margin must be above 0"),
    ],
)
def test_modules_refuse_when_they_are_made(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "call",
    [
        lambda x, y, sign: F.hinge_embedding_loss(x, sign, margin=np.float64(0.5)),
        lambda x, y, sign: F.margin_ranking_loss(x, y, sign, margin=np.float64(0.5)),
        lambda x, y, sign: F.squared_hinge_loss(x, sign, margin=np.float64(0.5)),
        lambda x, y, sign: F.cosine_embedding_loss(x, y, sign[:, 0], margin=np.float64(0.5)),
        lambda x, y, sign: F.triplet_margin_loss(x, y, y, margin=np.float64(0.5), eps=np.float64(1e-6)),
        lambda x, y, sign: F.cosine_similarity(x, y, eps=np.float64(1e-8)),
        lambda x, y, sign: F.pairwise_distance(x, y, eps=np.float64(1e-6)),
    ],
)
def test_a_margin_of_numpy_leaves_float32_as_it_is(call: Any) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    assert call(x, y, np.where(x > 0, 1, -1)).dtype == np.float32
