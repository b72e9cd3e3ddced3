"""What is done with parameters and gradients beside a layer's work, under PyTorch's names.

`weight_norm` and `spectral_norm` are those of `parametrizations`, and their parameters are named as there.
"""

from . import parametrizations, parametrize
from .clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from .convert_parameters import parameters_to_vector, vector_to_parameters
from .parametrizations import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm
from .stateless import functional_call

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "functional_call",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]
