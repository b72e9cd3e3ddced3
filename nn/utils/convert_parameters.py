"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autodiff import Tensor, concatenate
from autodiff.arguments import as_array, plain
from autodiff.memory import log_write


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all elements of the parameters one after the other in one vector, recorded.

    >>> from nn import Linear
    >>> parameters_to_vector(Linear(2, 3).parameters()).shape
    (9,)
    """
    given = _checked("parameters_to_vector", parameters)
    if not given:
        raise ValueError("parameters_to_vector: there are no parameters (was model.parameters() used up before?)")
    return concatenate([parameter.reshape((parameter.size,)) for parameter in given])


def vector_to_parameters(vec: Any, parameters: Iterable[Tensor]) -> None:
    """Write the elements of a vector into the parameters, one after the other, in place.

    vec  a Tensor or array of one axis; as long as all parameters together, else ValueError

    >>> from nn import Linear
    >>> layer = Linear(2, 1)
    >>> vector_to_parameters(Tensor([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([[1.0, 2.0]], [3.0])
    """
    given = _checked("vector_to_parameters", parameters)
    values = as_array(plain(vec), "vector_to_parameters")
    size = sum(parameter.size for parameter in given)
    if values.shape != (size,):
        raise ValueError(f"vector_to_parameters: expected a vector of shape {(size,)}, as the parameters have, got {values.shape}")
    for parameter in given:
        if not np.can_cast(values.dtype, parameter.dtype, "same_kind"):
            raise TypeError(f"vector_to_parameters: the vector has dtype {values.dtype}, a parameter {parameter.dtype}")
    values = values.copy() if any(np.may_share_memory(values, parameter._data) for parameter in given) else values
    start = 0
    for parameter in given:
        data = parameter._data
        data[...] = values[start : start + data.size].reshape(data.shape)
        log_write(data, "vector_to_parameters")
        start += data.size


def _checked(what: str, parameters: Any) -> list[Tensor]:
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        cure = "; give its parameters()" if hasattr(parameters, "parameters") else ""
        raise TypeError(f"{what}: expected several parameters, got {type(parameters).__name__}{cure}")
    given = list(parameters)
    for parameter in given:
        if not isinstance(parameter, Tensor):
            raise TypeError(f"{what}: expected Tensors, got {type(parameter).__name__} among them")
    return given
