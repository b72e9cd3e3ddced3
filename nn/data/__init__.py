"""Data sets, samplers, and the loader that cuts them into batches."""

from .dataset import Dataset, TensorDataset
from .loader import DataLoader, collate

__all__ = ["DataLoader", "Dataset", "TensorDataset", "collate"]
