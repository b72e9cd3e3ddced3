"""Transforms: by their definition, against PyTorch, for every kind of input, and without touching it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.data import DataLoader, TensorDataset
from nn.data import transforms as T

IMAGE = np.arange(2 * 5 * 6, dtype=np.uint8).reshape(2, 5, 6)

# a transform, the input's dtype, the shape that comes out of (2, 5, 6)
CASES: list[tuple[Any, Any, tuple[int, ...]]] = [
    (T.ToFloat(), np.uint8, (2, 5, 6)),
    (T.Normalize([1, 2], [3, 4]), np.float32, (2, 5, 6)),
    (T.Normalize(1, 3), np.float64, (2, 5, 6)),
    (T.Standardize(np.stack([IMAGE, IMAGE + 7])), np.float32, (2, 5, 6)),
    (T.Flatten(), np.uint8, (60,)),
    (T.Pad(1), np.uint8, (2, 7, 8)),
    (T.Pad((1, 2)), np.uint8, (2, 9, 8)),
    (T.Pad((1, 2, 3, 4), fill=9), np.uint8, (2, 11, 10)),
    (T.Pad(2, padding_mode="reflect"), np.uint8, (2, 9, 10)),
    (T.CenterCrop(3), np.uint8, (2, 3, 3)),
    (T.CenterCrop((8, 3)), np.uint8, (2, 8, 3)),
    (T.Resize((3, 9)), np.uint8, (2, 3, 9)),
    (T.Resize(10), np.float32, (2, 10, 12)),
    (T.Resize([3]), np.float32, (2, 3, 3)),
    (T.Resize((7, 2), "nearest"), np.uint8, (2, 7, 2)),
    (T.RandomCrop(3), np.uint8, (2, 3, 3)),
    (T.RandomCrop((5, 6), padding=2), np.uint8, (2, 5, 6)),
    (T.RandomCrop((9, 4), pad_if_needed=True), np.uint8, (2, 9, 4)),
    (T.RandomHorizontalFlip(), np.uint8, (2, 5, 6)),
    (T.RandomVerticalFlip(), np.uint8, (2, 5, 6)),
    (T.RandomRotation(30), np.uint8, (2, 5, 6)),
    (T.RandomRotation((-10, 50), "bilinear"), np.float32, (2, 5, 6)),
    (T.GaussianNoise(), np.float32, (2, 5, 6)),
    (T.RandomErasing(1.0), np.uint8, (2, 5, 6)),
    (T.RandomErasing(1.0, value="random"), np.float32, (2, 5, 6)),
    (T.RandomErasing(1.0, value=[1, 2]), np.uint8, (2, 5, 6)),
    (T.RandomApply([T.RandomHorizontalFlip(), T.Pad(0)]), np.uint8, (2, 5, 6)),
    (T.Compose([T.ToFloat(), T.RandomCrop(2), T.Normalize(0, 1)]), np.uint8, (2, 2, 2)),
    (T.Lambda(lambda x: x[:1]), np.uint8, (1, 5, 6)),
]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    nn.manual_seed(0)


every_case = pytest.mark.parametrize(
    ("transform", "dtype", "shape"), CASES, ids=lambda value: re.sub(" at 0x.*", "", repr(value))[:40]
)


@every_case
def test_arrays_and_tensors_in_and_out(transform: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    image = IMAGE.astype(dtype)
    image.flags.writeable = False  # it never writes its input
    result = transform(image)
    assert type(result) is np.ndarray
    assert result.shape == shape
    floating = np.dtype(dtype).kind == "f"
    assert result.dtype == (dtype if floating or "ToFloat" not in repr(transform) else np.float32)
    assert type(transform(ad.Tensor(image))) is ad.Tensor
    x = np.array(image)
    if not isinstance(transform, (T.Flatten, T.RandomApply)):  # a view, and at times the input itself
        transform(x)[...] = 0  # nor is its result a view of it
        if "Lambda" not in repr(transform):
            np.testing.assert_array_equal(x, image)


@every_case
def test_whole_batches_where_that_is_said_to_work(transform: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    batch = np.random.default_rng(0).integers(0, 250, (3, 2, 5, 6)).astype(dtype)
    many = transform.many if hasattr(transform, "many") else None
    if "Random" in repr(transform) or "Noise" in repr(transform) or "Lambda" in repr(transform):
        assert many is None
    else:
        np.testing.assert_array_equal(many(batch), np.stack([transform(image) for image in batch]))


@every_case
def test_randomness_follows_the_loader(transform: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    data = TensorDataset(np.stack([IMAGE] * 6).astype(dtype), transform=transform)

    def batches(**more: Any) -> list[np.ndarray]:
        return [x.numpy() for (x,) in DataLoader(data, 2, generator=np.random.default_rng(1), **more)]

    first = batches()
    for more in ({}, {"num_workers": 2, "worker_type": "thread"}):
        for a, b in zip(first, batches(**more), strict=True):
            np.testing.assert_array_equal(a, b)


def test_scales() -> None:
    np.testing.assert_array_equal(T.ToFloat()(np.array([0, 255], np.uint8)), np.float32([0, 1]))
    np.testing.assert_array_equal(T.ToFloat(np.float64)(np.array([-128, 127], np.int8)), [-128 / 127, 1])
    assert T.ToFloat(scale=False)(np.array([3], np.uint8)).tolist() == [3.0]
    assert T.ToFloat()(np.array([3.0])).tolist() == [3.0]
    tensor = T.ToTensor()(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    assert tensor.shape == (3, 2, 4)
    assert tensor[2, 1, 3].item() == np.float32(23 / 255)
    assert T.ToTensor()(np.zeros((2, 4))).shape == (1, 2, 4)
    assert T.ToTensor()([[0.0, 1.0]]).tolist() == [[[0.0, 1.0]]]


def test_normalize_by_its_formula() -> None:
    image = np.random.default_rng(0).random((3, 4, 5))
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 4.0])
    expected = (image - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(T.Normalize(mean, std)(image), expected)


def test_standardize() -> None:
    data = np.random.default_rng(0).normal(5, [1, 10, 0], (50, 3)).astype(np.float32)
    data[:, 2] = 0.1  # varies in the last digit only, once it is a float32 mean
    scale = T.Standardize(data)
    result = scale(data)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(result.std(0), [1, 1, 0], atol=1e-5)
    np.testing.assert_allclose(scale.inverse(result), data, rtol=1e-5)
    assert scale(np.array([5, 5, 0])).dtype == np.float64


def test_one_hot() -> None:
    assert T.OneHot(3)(np.array([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert T.OneHot(2, bool)(1).tolist() == [False, True]


def test_crops_are_parts() -> None:
    draw = np.random.default_rng(0)
    seen = {tuple(T.RandomCrop((4, 5), generator=draw)(IMAGE)[0, 0, :1]) for _ in range(200)}
    assert seen == {(0,), (1,), (6,), (7,)}
    for _ in range(20):
        part = T.RandomCrop(2, generator=draw)(IMAGE)
        top, left = divmod(int(part[0, 0, 0]), 6)
        np.testing.assert_array_equal(part, IMAGE[:, top : top + 2, left : left + 2])
    padded = T.Pad(1, fill=7)(IMAGE)
    assert (padded[:, 0] == 7).all()
    np.testing.assert_array_equal(padded[:, 1:-1, 1:-1], IMAGE)


def test_flips_come_half_of_the_time() -> None:
    draw = np.random.default_rng(0)
    for transform, mirrored in (
        (T.RandomHorizontalFlip(generator=draw), IMAGE[..., ::-1]),
        (T.RandomVerticalFlip(generator=draw), IMAGE[..., ::-1, :]),
    ):
        results = [transform(IMAGE) for _ in range(400)]
        flipped = sum((result == mirrored).all() for result in results)
        assert 150 < flipped < 250
        assert flipped + sum((result == IMAGE).all() for result in results) == 400
        assert not hasattr(transform, "p") or (type(transform)(0.0)(IMAGE) == IMAGE).all()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4])
def test_right_angles_are_exact(interpolation: str, turns: int) -> None:
    square = np.random.default_rng(0).random((2, 5, 5))
    turned = T.RandomRotation((90 * turns, 90 * turns), interpolation)(square)
    np.testing.assert_allclose(turned, np.rot90(square, turns, (-2, -1)), atol=1e-9)


def test_rotation_keeps_the_middle_and_fills_the_corners() -> None:
    image = np.ones((1, 11, 11))
    for interpolation in ("nearest", "bilinear"):
        turned = T.RandomRotation((45, 45), interpolation, fill=9)(image)
        assert turned[0, 5, 5] == 1
        assert turned[0, 0, 0] == turned[0, 0, -1] == 9
    shapes = {T.RandomRotation90()(IMAGE).shape for _ in range(50)}
    assert shapes == {(2, 5, 6), (2, 6, 5)}


def test_noise_has_its_moments() -> None:
    draw = np.random.default_rng(0)
    noisy = T.GaussianNoise(0.5, 0.1, clip=False, generator=draw)(np.zeros(20000))
    assert noisy.mean() == pytest.approx(0.5, abs=0.01)
    assert noisy.std() == pytest.approx(0.1, abs=0.01)
    clipped = T.GaussianNoise(sigma=2.0, generator=draw)(np.zeros(1000, np.float16))
    assert (clipped.min(), clipped.max(), clipped.dtype) == (0, 1, np.float16)


def test_erasing_covers_a_rectangle_of_that_area() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        hole = T.RandomErasing(1.0, scale=(0.1, 0.2), generator=draw)(np.ones((3, 40, 40))) == 0
        assert 0.08 < hole.mean() < 0.22
        assert (hole[0] == hole[1]).all()
        rows, columns = hole[0].any(1), hole[0].any(0)
        assert hole[0].sum() == rows.sum() * columns.sum()
    assert (T.RandomErasing(0.0)(IMAGE) == IMAGE).all()
    assert (T.RandomErasing(1.0, ratio=(50, 60), scale=(1, 1))(IMAGE) == IMAGE).all()  # no such rectangle fits
    assert set(np.unique(T.RandomErasing(1.0, value=[200, 201])(IMAGE)[1])) - set(IMAGE[1].ravel()) <= {201}


def test_apply_with_probability() -> None:
    draw = np.random.default_rng(0)
    maybe = T.RandomApply([T.Lambda(lambda x: x + 1)], 0.25, draw)
    assert 60 < sum(int(maybe(np.zeros(1))[0]) for _ in range(400)) < 140


@pytest.mark.parametrize("size", [(3, 4), (10, 12), (5, 6), (1, 1), (7, 3), (13, 29)])
def test_resize_is_pytorchs(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference here")
    image = np.random.default_rng(0).random((2, 5, 6))
    inputs = torch.from_numpy(image)[None]
    expected = torch.nn.functional.interpolate(inputs, size, mode="bilinear", align_corners=False)[0]
    np.testing.assert_allclose(T.Resize(size)(image), expected.numpy(), atol=1e-12)
    expected = torch.nn.functional.interpolate(inputs, size, mode="nearest")[0]
    np.testing.assert_array_equal(T.Resize(size, "nearest")(image), expected.numpy())


def test_what_a_transform_says_of_itself() -> None:
    change = T.Compose([T.ToFloat(), T.Normalize(0.5, 0.25), T.RandomCrop(28, padding=4)])
    text = repr(change)
    assert text.startswith("Compose([ToFloat(dtype=dtype('float32'), scale=True), Normalize(mean=array(0.5), std=array(0.25)), ")
    assert "RandomCrop(size=(28, 28), padding=4" in text
    assert repr(T.Standardize(np.zeros((2, 9)))) == "Standardize(mean=<array of shape (9,)>, std=<array of shape (9,)>)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: T.ToFloat(int), TypeError, "expected a floating dtype, got int64"),
        (lambda: T.ToTensor()(np.zeros((1, 28, 28))), ValueError, "it has its channels first: use ToFloat"),
        (lambda: T.ToTensor()(np.zeros(3)), ValueError, r"\(height, width, channels\), got \(3,\)"),
        (lambda: T.Normalize(0, 0), ValueError, "std must be greater than 0"),
        (lambda: T.Normalize([[1]], 1), ValueError, "a number or one for each channel"),
        (lambda: T.Normalize(0, 1)(IMAGE), TypeError, r"got uint8; put ToFloat\(\) before it"),
        (lambda: T.Normalize([0, 0, 0], 1)(np.zeros((2, 3, 3))), ValueError, "expected an image of 3 channels"),
        (lambda: T.GaussianNoise()(IMAGE), TypeError, r"put ToFloat\(\) before it"),
        (lambda: T.GaussianNoise(sigma=-1), ValueError, "sigma must not be negative"),
        (lambda: T.Standardize(np.zeros((0, 3))), ValueError, r"expected an array \(samples, ...\)"),
        (lambda: T.OneHot(0), ValueError, "num_classes must be a positive integer"),
        (lambda: T.OneHot(3)(3), ValueError, "class indices from 0 to 2, got numbers from 3 to 3"),
        (lambda: T.OneHot(3)(-1), ValueError, "from -1 to -1"),
        (lambda: T.OneHot(3)(1.0), ValueError, "of dtype float64"),
        (lambda: T.Pad(-1), ValueError, "one, two or four integers, not negative, got -1"),
        (lambda: T.Pad((1, 2, 3)), ValueError, "one, two or four integers"),
        (lambda: T.Pad(1, padding_mode="wrap"), ValueError, "padding_mode must be one of constant, edge"),
        (lambda: T.CenterCrop(0), ValueError, r"size must be a positive integer or \(height, width\), got 0"),
        (lambda: T.CenterCrop((1, 2, 3)), ValueError, "size must be"),
        (lambda: T.RandomCrop(9)(IMAGE), ValueError, "a crop of 9 x 9 is larger than the image, 5 x 6; see pad_if_needed"),
        (lambda: T.CenterCrop(2)(np.zeros(3)), ValueError, r"expected an image \(channels, height, width\), got shape \(3,\)"),
        (lambda: T.RandomHorizontalFlip(1.5), ValueError, "p must be a probability, from 0 to 1, got 1.5"),
        (lambda: T.RandomRotation(-1), ValueError, "degrees must be a number, not negative"),
        (lambda: T.RandomRotation(1, "cubic"), ValueError, "interpolation must be 'nearest' or 'bilinear', got 'cubic'"),
        (lambda: T.Resize(0), ValueError, "size must be a positive integer"),
        (lambda: T.Resize(2)(np.zeros((1, 0, 3))), ValueError, "the image is empty"),
        (lambda: T.RandomErasing(scale=(0.5, 0.1)), ValueError, "scale must be two shares"),
        (lambda: T.RandomErasing(ratio=(0, 1)), ValueError, "ratio must be two positive numbers"),
        (lambda: T.RandomErasing(value="noise"), ValueError, "or 'random', got 'noise'"),
        (lambda: T.Compose([T.ToFloat(), 3]), TypeError, "expected a sequence of transforms, found int in it"),
        (lambda: T.Lambda(3), TypeError, "expected a function, got int"),
        (lambda: T.ToFloat()(ad.Tensor([1.0], requires_grad=True)), TypeError, r"give it detach\(\)"),
        (lambda: T.Transform()(IMAGE), NotImplementedError, "Transform has no apply"),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
