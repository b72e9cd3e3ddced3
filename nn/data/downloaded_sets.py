"""Well-known data sets, downloaded once: handwritten digits, clothes, small photographs, text messages."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .dataset import Dataset, TensorDataset, transformed
from .downloading import checksum, data_folder, fetch_file
from .formats import read_cifar, read_idx, read_sms

if TYPE_CHECKING:
    from pathlib import Path


def _files(owner: type[Any], folder: Path, names: Sequence[str], download: bool) -> list[Path]:
    """Return the files of a data set, checked; fetched first where they are missing and `download` says so."""
    for name in names:
        path, sha256 = folder / name, owner.files[name]
        if download:
            try:
                fetch_file([mirror + name if mirror.endswith("/") else mirror for mirror in owner.mirrors], path, sha256)
            except (ConnectionError, ValueError) as error:
                raise type(error)(f"{owner.__name__}: {error}") from None
        elif not path.is_file():
            raise FileNotFoundError(
                f"{owner.__name__}: {path} is not there. download=True fetches it; root or $GLASSGRAD_DATA says where else to look"
            )
        elif checksum(path) != sha256:
            raise ValueError(
                f"{owner.__name__}: {path} is damaged or another file (its SHA-256 is wrong); download=True replaces it"
            )
    return [folder / name for name in names]


class _Images(TensorDataset):
    """Images (channels, height, width) uint8 and class indices int64."""

    mirrors: ClassVar[Sequence[str]] = ()  # addresses of folders, each ending in "/", or of the file itself
    files: ClassVar[dict[str, str]] = {}  # name -> SHA-256
    classes: ClassVar[Sequence[str]] = ()

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ):
        self.root, self.train = data_folder(root), bool(train)
        images, labels = self._read(download)
        if len(images) != len(labels) or (labels.size and not 0 <= labels.min() <= labels.max() < len(self.classes)):
            raise ValueError(f"{type(self).__name__}: the files do not fit each other: {len(images)} images, {len(labels)} labels")
        super().__init__(images, labels, transform=transform, target_transform=target_transform)

    def _read(self, download: bool) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    @property
    def data(self) -> np.ndarray:
        """All images, as one array (N, channels, height, width) of uint8."""
        return self.tensors[0]._data

    @property
    def targets(self) -> np.ndarray:
        """All class indices, as one array (N,) of int64."""
        return self.tensors[1]._data

    def __repr__(self) -> str:
        part = "train" if self.train else "test"
        return f"{type(self).__name__}({part}, {len(self)} images of shape {self.data.shape[1:]}, root={os.fspath(self.root)!r})"


class MNIST(_Images):
    """Handwritten digits: 60,000 images for training and 10,000 for testing, (1, 28, 28) uint8, with classes 0 to 9.

    root              folder of data sets; $GLASSGRAD_DATA or a folder in the user's cache by default. Files that torchvision
                      downloaded there are found.
    train             the training images, or those for testing
    transform         applied to each image (`nn.data.transforms`); `ToFloat()` and `Normalize` work on whole batches
    target_transform  applied to each class index
    download          fetch what is missing (11 MB); without it nothing is ever loaded from the internet

    `.data` and `.targets` are the whole arrays, `.classes` the names. Raises FileNotFoundError where the files are missing,
    ConnectionError where they cannot be fetched, ValueError where they are damaged.

    Source: LeCun, Cortes, Burges, The MNIST database of handwritten digits.

    >>> MNIST(root="nowhere", transform=nn.data.transforms.ToFloat())
    Traceback (most recent call last):
    FileNotFoundError: MNIST: ...train-images-idx3-ubyte.gz is not there. download=True fetches it; ...
    """

    mirrors = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
    files: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

    def _read(self, download: bool) -> tuple[np.ndarray, np.ndarray]:
        start = "train" if self.train else "t10k"
        names = [name for name in self.files if name.startswith(start)]
        images, labels = map(read_idx, _files(type(self), self.root / type(self).__name__ / "raw", names, download))
        if images.ndim != 3 or labels.ndim != 1 or images.dtype != np.uint8:
            raise ValueError(f"{type(self).__name__}: expected images (N, height, width), got {images.dtype} {images.shape}")
        return images[:, None], labels.astype(np.int64)


class FashionMNIST(MNIST):
    """Clothes, as MNIST in every other way: 60,000 and 10,000 images of ten classes, (1, 28, 28) uint8.

    Arguments as for `MNIST` (31 MB).

    Source: Xiao, Rasul, Vollgraf 2017, Fashion-MNIST: a novel image dataset.

    >>> FashionMNIST.classes[9]
    'Ankle boot'
    """

    mirrors = (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    )
    files: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    }
    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


class CIFAR10(_Images):
    """Small photographs: 50,000 for training and 10,000 for testing, (3, 32, 32) uint8, of ten classes.

    Arguments as for `MNIST` (170 MB). The archive is the binary one; no pickle is read.

    Source: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images.

    >>> CIFAR10.classes[3]
    'cat'
    """

    mirrors = (
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    )
    files: ClassVar[dict[str, str]] = {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def _read(self, download: bool) -> tuple[np.ndarray, np.ndarray]:
        (path,) = _files(type(self), self.root, list(self.files), download)
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] if self.train else ["test_batch.bin"]
        return read_cifar(path, [f"cifar-10-batches-bin/{name}" for name in names])


class SMSSpam(Dataset[tuple[Any, Any]]):
    """Text messages, 5,574 in English, each marked as spam (1) or not (0); a sample is a text and its class.

    root              folder of data sets; $GLASSGRAD_DATA or a folder in the user's cache by default
    train             None: all of them. There is no official division; True and False are four fifths and one fifth of them
                      (every fifth message is for testing).
    transform         applied to each text
    target_transform  applied to each class
    download          fetch what is missing (0.2 MB)

    `.texts` and `.targets` have them all, for a vectoriser such as scikit-learn's CountVectorizer. Errors as for `MNIST`.

    Source: Almeida, Gómez Hidalgo, Yamakami 2011, Contributions to the study of SMS spam filtering (CC BY 4.0).

    >>> SMSSpam.classes
    ('ham', 'spam')
    """

    mirrors: ClassVar[Sequence[str]] = (
        "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip",
        "https://archive.ics.uci.edu/ml/machine-learning-databases/00228/smsspamcollection.zip",
    )
    files: ClassVar[dict[str, str]] = {
        "sms+spam+collection.zip": "1587ea43e58e82b14ff1f5425c88e17f8496bfcdb67a583dbff9eefaf9963ce3"
    }
    classes: ClassVar[Sequence[str]] = ("ham", "spam")

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ):
        self.root, self.train = data_folder(root), train
        (path,) = _files(type(self), self.root / "SMSSpam", list(self.files), download)
        texts, targets = read_sms(path)
        test = np.arange(len(texts)) % 5 == 4
        chosen = np.flatnonzero(np.ones(len(texts)) if train is None else test != bool(train))
        self.texts, self.targets = [texts[i] for i in chosen], targets[chosen]
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        sample: tuple[Any, Any] = (self.texts[index], int(self.targets[index]))
        return transformed(sample, self.transform, self.target_transform)  # type: ignore[no-any-return]
