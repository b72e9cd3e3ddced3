"""Neural networks on `autodiff`: modules, losses, optimizers and data, under PyTorch's names.

>>> import numpy as np, nn
>>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
>>> model(np.zeros((5, 2))).shape
(5, 1)
"""

import importlib
import os
from typing import TYPE_CHECKING

from autodiff.tracing import library_folders

from . import data, functional, init, optim, utils
from . import rehearsal as rehearsal
from .activation import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    RReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softmax2d,
    Softmin,
    Softplus,
    Softshrink,
    Softsign,
    Step,
    Tanh,
    Tanhshrink,
    Threshold,
)
from .checkpoint import load_checkpoint, save_checkpoint
from .container import ModuleDict, ModuleList, Sequential
from .dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout
from .embedding import Embedding
from .flattening import Flatten, Unflatten
from .linear import Bilinear, Identity, Linear
from .loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CosineEmbeddingLoss,
    CosineSimilarity,
    CrossEntropyLoss,
    CTCLoss,
    DiceLoss,
    FocalLoss,
    GaussianNLLLoss,
    HingeEmbeddingLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MarginRankingLoss,
    MSELoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    NLLLoss,
    PairwiseDistance,
    PoissonNLLLoss,
    SmoothL1Loss,
    SoftMarginLoss,
    SoftmaxFocalLoss,
    SquaredHingeLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)
from .module import Module, Parameter
from .normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    RMSNorm,
)
from .parameter_container import ParameterDict, ParameterList
from .seeding import manual_seed
from .serialization import load, save

library_folders.add(os.path.dirname(os.path.abspath(__file__)) + os.sep)  # a trace names the user's line, not the library's

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "AlphaDropout",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Bilinear",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "CrossEntropyLoss",
    "DiceLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "FeatureAlphaDropout",
    "Flatten",
    "FocalLoss",
    "GaussianNLLLoss",
    "GroupNorm",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HingeEmbeddingLoss",
    "History",
    "HuberLoss",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MarginRankingLoss",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PReLU",
    "PairwiseDistance",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "PoissonNLLLoss",
    "RMSNorm",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "Softmax",
    "Softmax2d",
    "SoftmaxFocalLoss",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "SquaredHingeLoss",
    "Step",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "Trainer",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
    "Unflatten",
    "callbacks",
    "data",
    "functional",
    "health",
    "init",
    "load",
    "load_checkpoint",
    "manual_seed",
    "metrics",
    "models",
    "optim",
    "save",
    "save_checkpoint",
    "summary",
    "utils",
]

# What a hand-written training loop does without is imported when it is first asked for: its name, and the file it is in.
_LATER = {
    "History": "history", "Trainer": "trainer", "callbacks": "callbacks", "metrics": "metrics", "models": "models",
    "health": "diagnosis", "summary": "overview",
}  # fmt: skip
_EXTRA = {"sklearn": "sklearn"}  # also needs a library that need not be there

if TYPE_CHECKING:
    from . import callbacks, metrics, models
    from . import sklearn as sklearn
    from .diagnosis import health
    from .history import History
    from .overview import summary
    from .trainer import Trainer
else:

    def __getattr__(name: str) -> object:
        file = _LATER.get(name) or _EXTRA.get(name)
        if file is not None:
            module = importlib.import_module(f"{__name__}.{file}")
            return module if file == name else getattr(module, name)
        planned = ("Conv", "Lazy", "MaxPool", "AvgPool", "Adaptive", "Fold", "Unfold", "Upsample", "Pad", "Transformer", "Pixel")
        if name.startswith(planned) or name in ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "MultiheadAttention"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}: it is planned, and not there yet")
        hint = {
            "CategoricalCrossentropy": "nn.CrossEntropyLoss", "DataParallel": "the module itself: there is one device, the CPU",
            "Dense": "nn.Linear", "F": "nn.functional", "Model": "nn.Module", "NeuralClassifier": "nn.sklearn.NeuralClassifier",
            "NeuralRegressor": "nn.sklearn.NeuralRegressor", "Swish": "nn.SiLU", "SyncBatchNorm": "nn.BatchNorm1d",
        }.get(name)  # fmt: skip
        if hint is None and not name.startswith("_"):
            for place in (
                "nn.functional", "nn.optim", "nn.optim.lr_scheduler", "nn.data", "nn.utils", "nn.metrics",
                "nn.callbacks", "nn.models", "autodiff",
            ):  # fmt: skip
                if name in importlib.import_module(place).__all__:
                    hint = f"{place}.{name}"
                    break
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}" + (f"; here it is {hint}" if hint else ""))

    def __dir__() -> list[str]:
        return [*globals(), *_LATER]
