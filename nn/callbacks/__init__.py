"""Callbacks: what may listen to a training and take part in it, for `nn.Trainer(..., callbacks=[...])`."""

from .averaging import EMA
from .callback import Callback
from .checkpoints import Checkpoint, ModelCheckpoint
from .gradients import GradientClipping
from .logs import CSVLogger, TensorBoard
from .not_finite import TerminateOnNaN
from .overfitting import OverfitOneBatch
from .schedule import LRScheduler
from .stopping import EarlyStopping

__all__ = [
    "EMA",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "GradientClipping",
    "LRScheduler",
    "ModelCheckpoint",
    "OverfitOneBatch",
    "TensorBoard",
    "TerminateOnNaN",
]
