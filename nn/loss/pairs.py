"""Losses that compare predictions with one another, and the distance and similarity that they compare by.

Each function, its Module below it. At the margin itself the derivative is 0, the shortest of the slopes there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, composition, norm
from autodiff.arguments import plain, weak

from ..activation import relu
from ..module import Module
from .binary import check_signs
from .margin import scores
from .targets import Loss, like_input, reduced

# ------------------------------------------------------------------------------------------------ distance and similarity


def _floating(value: Any) -> Any:
    x = value if isinstance(value, Tensor) else asarray(value)
    return x if x.dtype.kind == "f" else x.astype(float)


@composition()
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """Return the length of x1 - x2 + eps along the last axis.

    x1, x2   vectors, (..., D); they broadcast
    p        which norm: 2 the Euclidean one, 1 the sum of absolute differences, inf the largest
    eps      added to each difference, so that equal vectors have a slope, as in PyTorch; with eps=0 it is 0 there
    keepdim  whether the last axis stays, with length 1

    >>> pairwise_distance([[0.0, 0.0]], [[3.0, 4.0]], eps=0.0).tolist()
    [5.0]
    """
    difference = _floating(x1) - _floating(x2)
    if not difference.ndim:
        raise ValueError("pairwise_distance: expected vectors, (..., D), got two single numbers")
    result: Tensor = norm(difference + weak(eps) if eps else difference, p, axis=-1, keepdims=keepdim)
    return result


class PairwiseDistance(Module):
    """The distance between vectors, see `nn.functional.pairwise_distance`.

    >>> PairwiseDistance(p=1.0, eps=0.0)(Tensor([[0.0, 0.0]]), Tensor([[3.0, 4.0]])).tolist()
    [7.0]
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


def _unit(x: Any, dim: int, eps: float) -> Any:
    length = norm(x, axis=dim, keepdims=True)
    return x / np.where(length < eps, weak(eps), length)


@composition()
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between x1 and x2 along the axis `dim`.

    x1, x2  they broadcast, and need as many axes
    dim     the axis along which a vector lies
    eps     a vector shorter than this is taken to have this length

    >>> cosine_similarity([[1.0, 0.0], [1.0, 1.0]], [[0.0, 2.0], [3.0, 3.0]]).round(4).tolist()
    [0.0, 1.0]
    """
    x1, x2 = _floating(x1), _floating(x2)
    ndim = max(x1.ndim, x2.ndim)
    if not -ndim <= dim < ndim:
        raise ValueError(f"cosine_similarity: dim={dim} is no axis of arrays of shapes {x1.shape} and {x2.shape}; write dim=-1")
    along = dim % ndim - ndim  # counted from the end, where the axes of both agree
    if -along > min(x1.ndim, x2.ndim):
        raise ValueError(
            f"cosine_similarity: one of the shapes {x1.shape} and {x2.shape} has no axis {dim}; insert it with x[None]"
        )
    result: Tensor = (_unit(x1, along, eps) * _unit(x2, along, eps)).sum(axis=along)
    return result


class CosineSimilarity(Module):
    """The cosine of the angle between vectors, see `nn.functional.cosine_similarity`.

    >>> CosineSimilarity(dim=0)(Tensor([1.0, 0.0]), Tensor([0.0, 1.0])).item()
    0.0
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return cosine_similarity(x1, x2, self.dim, self.eps)


# ------------------------------------------------------------------------------------------------ pairs


@composition()
def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Any, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """Return max(0, margin - target * (input1 - input2)): which of two shall score higher?

    input1, input2  scores, of one shape
    target          of the same shape: 1 where the first shall be higher, -1 where the second
    margin          by how much
    reduction       "mean" over all elements, "sum", or "none"

    Raises ValueError or TypeError where shape, values or dtype do not fit.

    >>> margin_ranking_loss(Tensor([1.0, 1.0]), Tensor([3.0, 0.0]), [1, 1], reduction="none").tolist()
    [2.0, 0.0]
    """
    name = "margin_ranking_loss"
    x1 = scores(name, input1, reduction)
    x2, t = like_input(name, input2, x1, "second input"), like_input(name, target, x1)
    check_signs(name, t)
    loss: Tensor = reduced(relu(weak(margin) - t * (x1 - x2)), reduction)
    return loss


class MarginRankingLoss(Loss):
    """Which of two shall score higher, see `nn.functional.margin_ranking_loss`.

    >>> MarginRankingLoss(margin=0.5)(Tensor([1.0]), Tensor([1.0]), [1]).item()
    0.5
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Any) -> Tensor:
        return margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


_NO_LENGTH = 1e-12  # added to squared lengths, so that the zero vector has a cosine and a slope


@composition()
def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Any, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """Return 1 - cos(input1, input2) where the target is 1, and max(0, cos(input1, input2) - margin) where it is -1.

    input1, input2  vectors, of one shape: (N, D) or (D,)
    target          1 for a pair that belongs together, -1 for one that does not: (N,) or ()
    margin          how similar the latter may be, -1 to 1
    reduction       "mean" over the pairs, "sum", or "none"

    Raises ValueError or TypeError where shape, values or dtype do not fit.

    >>> cosine_embedding_loss(Tensor([[1.0, 0.0]]), Tensor([[0.0, 1.0]]), [1]).item()
    1.0
    """
    name = "cosine_embedding_loss"
    x1 = scores(name, input1, reduction)
    x2 = like_input(name, input2, x1, "second input")
    if x1.ndim not in (1, 2):
        raise ValueError(f"cosine_embedding_loss: the inputs have shape {x1.shape}, expected vectors, (N, D) or (D,)")
    lengths = [np.sqrt((x * x).sum(axis=-1) + _NO_LENGTH) for x in (x1, x2)]
    cosine = (x1 * x2).sum(axis=-1) / (lengths[0] * lengths[1])
    t = like_input(name, target, cosine)
    check_signs(name, t)
    loss: Tensor = reduced(np.where(plain(t) == 1, 1.0 - cosine, relu(cosine - weak(margin))), reduction)
    return loss


class CosineEmbeddingLoss(Loss):
    """Vectors that shall point the same way, or not, see `nn.functional.cosine_embedding_loss`.

    >>> CosineEmbeddingLoss()(Tensor([[1.0, 0.0]]), Tensor([[0.0, 1.0]]), [-1]).item()
    0.0
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Any) -> Tensor:
        return cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


# ------------------------------------------------------------------------------------------------ triplets


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, margin + |anchor - positive| - |anchor - negative|).

    anchor, positive, negative  vectors, of one shape: (N, D) or (D,)
    margin                      how much farther the negative shall be, above 0
    p, eps                      the distance, see `pairwise_distance`
    swap                        whether |positive - negative| counts where it is less than |anchor - negative|
    reduction                   "mean" over the triplets, "sum", or "none"

    Raises ValueError or TypeError where shape, values or dtype do not fit.
    Source: Balntas et al., Learning local feature descriptors with triplets and shallow convolutional neural networks, 2016.

    >>> triplet_margin_loss(Tensor([[0.0]]), Tensor([[2.0]]), Tensor([[2.5]]), eps=0.0).item()
    0.5
    """

    def distance(x1: Any, x2: Any) -> Tensor:
        return pairwise_distance(x1, x2, p, eps)

    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, margin + d(anchor, positive) - d(anchor, negative)) for a distance d of your choice.

    anchor, positive, negative  what the distance compares, of one shape
    distance_function           of two of them; None is `pairwise_distance`

    The rest is as in `triplet_margin_loss`.

    >>> farthest = lambda x1, x2: abs(x1 - x2).max(axis=-1)
    >>> x = Tensor([[0.0, 0.0]])
    >>> triplet_margin_with_distance_loss(x, x + 2.0, x + 2.5, distance_function=farthest).item()
    0.5
    """
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet("triplet_margin_with_distance_loss", anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    name: str, anchor: Any, positive: Any, negative: Any, distance: Callable[..., Any], margin: float, swap: bool, reduction: str
) -> Tensor:
    if not margin > 0:
        raise ValueError(f"{name}: margin must be above 0, got {margin!r}")
    a = scores(name, anchor, reduction)
    if not a.ndim:
        raise ValueError(f"{name}: expected vectors, (N, D) or (D,), got single numbers")
    loss: Tensor = _triplet_margin(
        a, like_input(name, positive, a, "positive"), like_input(name, negative, a, "negative"), distance, margin, swap, reduction
    )
    return loss


@composition()
def _triplet_margin(
    a: Tensor, p: Tensor, n: Tensor, distance: Callable[..., Any], margin: float, swap: bool, reduction: str
) -> Any:
    to_negative = distance(a, n)
    if swap:
        to_negative = np.minimum(to_negative, distance(p, n))
    loss: Tensor = reduced(relu(distance(a, p) - to_negative + weak(margin)), reduction)
    return loss


class TripletMarginLoss(Loss):
    """An anchor that shall be nearer to one vector than to another, see `nn.functional.triplet_margin_loss`.

    >>> TripletMarginLoss(eps=0.0)(Tensor([[0.0]]), Tensor([[2.0]]), Tensor([[2.5]])).item()
    0.5
    """

    def __init__(self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"):
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: margin must be above 0, got {margin!r}")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction)


class TripletMarginWithDistanceLoss(Loss):
    """The triplet loss of a distance of your choice, see `nn.functional.triplet_margin_with_distance_loss`.

    >>> TripletMarginWithDistanceLoss(margin=2.0)(Tensor([[0.0]]), Tensor([[1.0]]), Tensor([[1.0]])).item()
    2.0
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ):
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: margin must be above 0, got {margin!r}")
        self.distance_function, self.margin, self.swap = distance_function, margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
