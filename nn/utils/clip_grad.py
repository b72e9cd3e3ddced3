"""Gradients that are too long, or too large: measured and cut down before an optimizer's step.

Norms are added up in double precision, and those of half precision computed in single: a float16 gradient of 300 has a
square that float16 does not know.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.graph import wrap
from autodiff.memory import log_write

_BLOCK = 1 << 12  # elements that are added up in single precision
_SMALL = 1 << 14  # elements: a fresh array of this size costs less than to note that an old one was written


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients down together so that their norm, as one long vector, is at most `max_norm`; return the norm before.

    parameters          Tensors; those without a gradient are passed over
    max_norm            the largest norm that is left alone
    norm_type           p of the p-norm; `math.inf` for the largest magnitude
    error_if_nonfinite  raise RuntimeError, and change nothing, where the norm is nan or infinite
    foreach             without effect, for PyTorch's callers

    Source: Pascanu et al. 2013, On the difficulty of training recurrent neural networks.

    >>> from nn import Parameter
    >>> p = Parameter([1.0, 1.0])
    >>> p.grad = [3.0, 4.0]
    >>> clip_grad_norm_(p, max_norm=1.0).item()
    5.0
    >>> [round(g, 4) for g in p.grad.tolist()]
    [0.6, 0.8]
    """
    grads = _gradients("clip_grad_norm_", parameters)
    total, norm = _total(grads, norm_type, error_if_nonfinite)
    _scale(grads, _number("clip_grad_norm_: max_norm", max_norm), norm)
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Any, foreach: bool | None = None
) -> None:
    """Scale all gradients by max_norm / total_norm where that is below 1: `clip_grad_norm_` with a norm that is known.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> p.grad = [4.0]
    >>> clip_grads_with_norm_(p, max_norm=1.0, total_norm=get_total_norm([p.grad]))
    >>> round(p.grad.item(), 4)
    1.0
    """
    norm = float(np.asarray(total_norm._data if isinstance(total_norm, Tensor) else total_norm))
    _scale(_gradients("clip_grads_with_norm_", parameters), _number("clip_grads_with_norm_: max_norm", max_norm), norm)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """Return the norm of all Tensors as one long vector; the options are those of `clip_grad_norm_`.

    >>> get_total_norm([Tensor([3.0]), Tensor([[4.0]])]).item()
    5.0
    """
    return _total(_tensors("get_total_norm", tensors), norm_type, error_if_nonfinite)[0]


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Cut every element of the gradients off at -clip_value and clip_value.

    >>> from nn import Parameter
    >>> p = Parameter([1.0, 1.0])
    >>> p.grad = [3.0, -0.5]
    >>> clip_grad_value_(p, 1.0)
    >>> p.grad.tolist()
    [1.0, -0.5]
    """
    bound = _number("clip_grad_value_: clip_value", clip_value)
    for grad in _gradients("clip_grad_value_", parameters):
        _rewrite(grad, lambda data, out: np.clip(data, -bound, bound, out=out))


def _gradients(what: str, parameters: Any) -> list[Any]:
    return [tensor._grad for tensor in _tensors(what, parameters) if tensor._grad is not None]


def _tensors(what: str, given: Any) -> list[Any]:
    if isinstance(given, Tensor):
        return [given]
    if not isinstance(given, Iterable):
        cure = "; give its parameters()" if hasattr(given, "parameters") else ""
        raise TypeError(f"{what}: expected Tensors, got {type(given).__name__}{cure}")
    tensors = list(given)
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{what}: expected Tensors, got {type(tensor).__name__} among them")
    if not tensors and not isinstance(given, (list, tuple)):
        warnings.warn(
            f"{what}: there are no Tensors; a generator such as model.parameters() is empty after its first use",
            UserWarning,
            stacklevel=4,
        )
    return tensors


def _number(what: str, value: Any) -> float:
    number = float(value)
    if not number >= 0:
        raise ValueError(f"{what} must be at least 0, got {number}")
    return number


def _total(tensors: list[Any], norm_type: float, error_if_nonfinite: bool) -> tuple[Tensor, float]:
    p = float(norm_type)
    norms = [_norm(tensor._data, p) for tensor in tensors]
    total = (norms[0] if len(norms) == 1 else _norm(np.array(norms), p)) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"the norm of order {p:g} of the gradients is {total}, so they cannot be clipped. error_if_nonfinite=False scales them "
            "all the same"
        )
    dtype = np.result_type(*{tensor._data.real.dtype for tensor in tensors}, np.float32) if tensors else np.dtype(np.float32)
    with np.errstate(over="ignore"):
        return wrap(np.array(total, dtype)), total


def _norm(data: np.ndarray, p: float) -> float:
    """Return the p-norm of all elements."""
    if not data.size:
        return 0.0
    if data.dtype.kind not in "fc":
        data = data.astype(np.float64)
    elif data.dtype == np.float16:
        data = data.astype(np.float32)
    if p == 2.0:
        square = _square_sum(data)
        if 1e-30 < square < 1e30:
            return math.sqrt(square)
    elif p == 0.0:
        return float(np.count_nonzero(data))
    size = np.abs(data)
    if p == math.inf:
        return float(size.max())
    if p == -math.inf:
        return float(size.min())
    largest = float(size.max() if p > 0 else size.min())
    if not 0.0 < largest < math.inf:  # a nan goes through too
        return largest
    total: float = np.power(size.astype(np.float64) / largest, p).sum().item()
    return largest * math.pow(total, 1 / p)


def _square_sum(data: np.ndarray) -> float:
    """Return the sum of the squared magnitudes of all elements."""
    if data.size <= _SMALL or data.real.dtype != np.float32:
        return float(np.vdot(data, data).real)
    flat = data.reshape(-1)  # longer sums in single precision lose digits
    rest = flat.size % _BLOCK
    rows = flat[: flat.size - rest].reshape(-1, _BLOCK)
    total: float = np.vecdot(rows, rows).real.sum(dtype=np.float64).item()
    return total + float(np.vdot(flat[flat.size - rest :], flat[flat.size - rest :]).real)


def _scale(grads: list[Any], max_norm: float, norm: float) -> None:
    factor = max_norm / (norm + 1e-6)
    if factor >= 1.0:
        return
    for grad in grads:
        _rewrite(grad, lambda data, out: np.multiply(data, factor, out=out))


def _rewrite(grad: Any, function: Any) -> None:
    """Give a gradient the value that `function(data, out)` makes of it; graphs that keep the old one are right, or say so."""
    data = grad._data
    if grad._memory is None and (data.size <= _SMALL or not data.flags.writeable):
        grad._data = np.asarray(function(data, None))
    else:
        function(data, data)
        log_write(data, "clipping of a gradient")
