"""`Parameter`, the Tensor that a module learns, and what is done with one where it is: another dtype, no gradient.

Knows no module.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor
from autodiff.arguments import as_array, plain
from autodiff.graph import wrap
from autodiff.memory import leave

if TYPE_CHECKING:
    import numpy.typing as npt


class Parameter(Tensor):
    """A Tensor that a module learns: it requires a gradient, and assigning it to a module's attribute registers it.

    data           numbers (float32 then, or complex64), or an array or Tensor (its dtype); copied
    requires_grad  False for a parameter that is frozen
    dtype          a NumPy dtype, to choose another
    name           for messages and drawings; the attribute's name by default

    >>> Parameter([1.0, 2.0])
    Parameter([1., 2.], shape=(2,), dtype=float32, requires_grad=True)
    """

    def __init__(self, data: Any, requires_grad: bool = True, *, dtype: npt.DTypeLike | None = None, name: str | None = None):
        if dtype is None and not isinstance(data, (np.ndarray, np.generic, Tensor)):
            data = as_array(plain(data), "Parameter")
            dtype = np.complex64 if data.dtype.kind == "c" else np.float32
        super().__init__(data, dtype=dtype, requires_grad=requires_grad, name=name)


def recast(tensor: Tensor, dtype: np.dtype[Any]) -> None:
    """Give a leaf, and its gradient, another dtype where it is; its name and hooks stay, and graphs still lead to it."""
    if tensor._data.dtype == dtype:
        return
    leave(tensor)
    tensor._data = tensor._data.astype(dtype, order="C")
    if tensor._node is not None:
        tensor._node.dtype = dtype
    grad = tensor._grad
    if grad is not None:
        tensor._grad = wrap(grad._data.astype(dtype))


def is_device(given: Any) -> bool:
    """Return whether `given` names the only device there is; raise ValueError where it names another."""
    name = "" if isinstance(given, Tensor) else str(given).partition(":")[0]
    if name in ("cuda", "gpu", "mps", "xpu", "meta"):
        raise ValueError(f"to: there is no device '{given}'; everything here runs on the processor, 'cpu'")
    return name == "cpu"


def zero_gradients(parameters: Iterable[Any], set_to_none: bool) -> None:
    """Drop the gradients of `parameters`, or set them to zeros."""
    for parameter in parameters:
        if set_to_none or parameter._grad is None:
            parameter._grad = None
        else:
            parameter._grad = wrap(np.zeros_like(parameter._data))


def matching(x: Any, parameter: Tensor) -> Any:
    """Return a layer's input in the dtype of its parameter, recorded where it is tracked."""
    dtype = parameter._data.dtype
    given = x._data.dtype if isinstance(x, Tensor) else getattr(x, "dtype", None)
    if given is dtype:
        return x
    if not isinstance(x, Tensor):
        x = as_array(x, "the input of a layer")
    if x.dtype.kind == "c" and dtype.kind != "c":
        raise TypeError(f"the input is complex ({x.dtype}), the layer real ({dtype}); give its real part or its modulus")
    if x.dtype == dtype:
        return x
    cast = x.astype(dtype)
    if isinstance(x, Tensor):
        cast.name = x.name
    return cast
