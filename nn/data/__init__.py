"""Data sets, samplers, and the loader that cuts them into batches."""

from . import transforms
from .collation import default_collate, default_convert
from .dataset import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset, random_split
from .downloaded_sets import CIFAR10, MNIST, FashionMNIST, SMSSpam
from .downloading import data_folder, fetch_file
from .formats import read_idx
from .loader import DataLoader
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .small_sets import TabularDataset, load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from .workers import WorkerInfo, get_worker_info

__all__ = [
    "CIFAR10",
    "MNIST",
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "IterableDataset",
    "RandomSampler",
    "SMSSpam",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TabularDataset",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "data_folder",
    "default_collate",
    "default_convert",
    "fetch_file",
    "get_worker_info",
    "load_breast_cancer",
    "load_diabetes",
    "load_digits",
    "load_iris",
    "load_wine",
    "random_split",
    "read_idx",
    "transforms",
]
