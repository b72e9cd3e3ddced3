"""Metrics by name take a model's output as its loss does, and the mean loss is that of one large batch."""

from __future__ import annotations

import functools
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import metrics
from nn.callbacks import Callback
from nn.training.metrics import metrics_by_name

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 60)
YES = (X[:, :1] + 0.7 * RNG.normal(size=(60, 1)) > 0).astype(np.float32)
LABELS = (X[:, :3] > RNG.normal(size=(60, 3))).astype(np.float32)
DECISIONS = ["accuracy", "precision", "recall", "f1_score"]
CURVES = ["roc_auc", "average_precision"]


def scores(loss: Any, target: np.ndarray, outputs: int, names: Any, last: Any = None) -> tuple[dict[str, float], np.ndarray]:
    """Return the named metrics of a model at its start, and its predictions."""
    layers = [nn.Linear(4, outputs, generator=np.random.default_rng(3)), *([last] if last else [])]
    model = nn.Sequential(*layers)
    trainer = nn.Trainer(model, loss, nn.optim.SGD(model.parameters()), names)
    return trainer.evaluate((X, target)), trainer.predict(X)


def softmax(logits: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", DECISIONS + CURVES)
@pytest.mark.parametrize("loss", [nn.BCEWithLogitsLoss(), nn.FocalLoss(), nn.functional.binary_cross_entropy_with_logits])
def test_of_logits_zero_is_the_threshold(name: str, loss: Any) -> None:
    found, logits = scores(loss, YES, 1, [name])
    assert logits.min() < 0 < logits[(logits > 0) & (logits < 0.5)].max(), "some are a yes only as logits"
    judged = logits[:, 0] if name in CURVES else (logits[:, 0] > 0).astype(int)
    assert found[name] == pytest.approx(getattr(metrics, name)(judged, YES[:, 0]))


def test_logits_that_all_look_like_probabilities_are_logits_still() -> None:
    """Each in (0, 1), so that nothing would be noticed: all are a yes."""
    found, logits = scores(nn.BCEWithLogitsLoss(), np.ones((60, 1), np.float32), 1, "accuracy", Squeezed())
    assert ((logits > 0) & (logits < 0.5)).any()
    assert found["accuracy"] == 1.0


class Squeezed(nn.Module):
    def forward(self, x: ad.Tensor) -> ad.Tensor:
        return nn.functional.sigmoid(x)


@pytest.mark.parametrize("name", DECISIONS)
def test_of_probabilities_a_half_is_the_threshold(name: str) -> None:
    found, shares = scores(nn.BCELoss(), YES, 1, [name], nn.Sigmoid())
    assert found[name] == pytest.approx(getattr(metrics, name)((shares[:, 0] > 0.5).astype(int), YES[:, 0]))


@pytest.mark.parametrize("name", [*DECISIONS, *CURVES, "top_k_accuracy", "perplexity"])
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.SoftmaxFocalLoss(), nn.NLLLoss(), nn.functional.cross_entropy])
def test_several_classes_are_averaged_and_curves_get_probabilities(name: str, loss: Any) -> None:
    last = nn.LogSoftmax(1) if isinstance(loss, nn.NLLLoss) else None
    found, outputs = scores(loss, CLASSES, 3, name, last)
    options = {"average": "macro"} if name in DECISIONS[1:] else {}
    given = softmax(outputs) if name in CURVES else outputs
    assert found[name] == pytest.approx(getattr(metrics, name)(given, CLASSES, **options), rel=1e-5)


@pytest.mark.parametrize("name", DECISIONS + CURVES)
def test_two_classes_are_yes_and_no(name: str) -> None:
    target = YES[:, 0].astype(int)
    found, logits = scores(nn.CrossEntropyLoss(), target, 2, name)
    assert found[name] == pytest.approx(getattr(metrics, name)(logits, target))


@pytest.mark.parametrize("name", DECISIONS + CURVES)
def test_several_labels(name: str) -> None:
    found, logits = scores(nn.BCEWithLogitsLoss(), LABELS, 3, name)
    options: dict[str, Any] = {"threshold": 0.0} if name in DECISIONS else {}
    options |= {"average": "macro"} if name in DECISIONS[1:] else {}
    assert found[name] == pytest.approx(getattr(metrics, name)(logits, LABELS, **options))


@pytest.mark.parametrize(
    ("name", "ignored"),
    [("accuracy", -100), ("accuracy", 0), ("f1_score", -100), ("f1_score", 0), ("roc_auc", -100), ("perplexity", 0)],
)
def test_what_the_loss_ignores_does_not_count(name: str, ignored: int) -> None:
    target = np.where(np.arange(60) % 3 == 0, ignored, CLASSES)
    counts = target != ignored
    found, logits = scores(nn.CrossEntropyLoss(ignore_index=ignored), target, 3, name)
    options = {"average": "macro"} if name == "f1_score" else {}
    given = softmax(logits) if name == "roc_auc" else logits
    assert found[name] == pytest.approx(getattr(metrics, name)(given[counts], target[counts], **options), rel=1e-5)


def test_classes_at_each_position() -> None:
    target = np.array([[0, 1, -100], [2, 2, 1]])
    logits = RNG.normal(size=(2, 3, 3))
    found = metrics_by_name("accuracy", nn.CrossEntropyLoss())["accuracy"](logits, target)
    right = (logits.argmax(axis=1) == target)[target != -100]
    assert found == pytest.approx(right.mean())


def test_the_function_of_the_library_is_the_same_as_its_name_and_another_is_taken_as_it_is() -> None:
    found, logits = scores(nn.BCEWithLogitsLoss(), YES, 1, [metrics.accuracy])
    assert found["accuracy"] == pytest.approx(((logits > 0) == YES).mean())
    strict = functools.partial(metrics.accuracy, threshold=0.4)
    found, logits = scores(nn.BCEWithLogitsLoss(), YES, 1, {"strict": strict})
    assert found["strict"] == pytest.approx(((logits > 0.4) == YES).mean())


def test_a_matrix_is_refused_before_the_training() -> None:
    with pytest.raises(ValueError, match=r"confusion_matrix is a matrix.*confusion_matrix\(trainer.predict"):
        scores(nn.CrossEntropyLoss(), CLASSES, 3, "confusion_matrix")


# ------------------------------------------------------------------------------------------------ means of several batches

UNEVEN = [
    nn.CrossEntropyLoss(weight=np.array([1.0, 9.0, 0.1], np.float32)),
    nn.CrossEntropyLoss(weight=np.array([1.0, 9.0, 0.1], np.float32), label_smoothing=0.1),
    nn.CrossEntropyLoss(ignore_index=2),
    nn.NLLLoss(weight=np.array([1.0, 9.0, 0.1], np.float32), ignore_index=0),
]


@pytest.mark.parametrize("loss", UNEVEN)
def test_weighted_losses_are_those_of_all_samples_at_once(loss: nn.Module) -> None:
    model = nn.Linear(4, 3, generator=np.random.default_rng(1))
    trainer = nn.Trainer(model, loss, nn.optim.SGD(model.parameters()))
    whole = loss(model(ad.Tensor(X)), CLASSES).item()
    for batch_size in (60, 17, 8):
        assert trainer.evaluate((X, CLASSES), batch_size)["loss"] == pytest.approx(whole, rel=1e-5), batch_size


@pytest.mark.parametrize("loss", UNEVEN)
def test_accumulated_gradients_of_weighted_losses_are_those_of_the_large_batch(loss: nn.Module) -> None:
    def gradients(batch_size: int, accumulate: int) -> np.ndarray:
        found = []

        class Keep(Callback):
            def on_backward_end(self, trainer: nn.Trainer) -> None:
                found.append(np.concatenate([p.grad.numpy().ravel() for p in trainer.model.parameters() if p.grad is not None]))

        model = nn.Linear(4, 3, generator=np.random.default_rng(1))
        trainer = nn.Trainer(model, loss, nn.optim.SGD(model.parameters(), lr=0.1), callbacks=[Keep()], accumulate=accumulate)
        trainer.fit((X, CLASSES), 1, batch_size=batch_size, shuffle=False, progress=False)
        return np.stack(found)

    np.testing.assert_allclose(gradients(10, 2), gradients(20, 1), rtol=1e-4, atol=1e-6)


def test_probabilities_of_classes_weigh_as_samples() -> None:
    model = nn.Linear(4, 3, generator=np.random.default_rng(1))
    loss, target = nn.CrossEntropyLoss(weight=np.array([1.0, 9.0, 0.1], np.float32)), softmax(X[:, :3])
    trainer = nn.Trainer(model, loss, nn.optim.SGD(model.parameters()))
    assert trainer.evaluate((X, target), 17)["loss"] == pytest.approx(loss(model(ad.Tensor(X)), target).item(), rel=1e-5)


Pair = namedtuple("Pair", ["x", "y"])


class Texts(nn.data.Dataset[Any]):
    """Samples whose input is a text, the target its length."""

    texts = ("a", "bb", "ccc", "dddd", "eeeee")

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Any:
        return Pair(self.texts[index], np.float32(len(self.texts[index])))


class Zero(nn.Module):
    def __init__(self) -> None:
        self.w = nn.Parameter(np.zeros(1, np.float32))

    def forward(self, texts: list[str]) -> ad.Tensor:
        return self.w * np.ones(len(texts), np.float32)


def test_batches_of_texts_and_of_named_tuples() -> None:
    model = Zero()
    trainer = nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters()))
    loader = nn.data.DataLoader(Texts(), 2)
    assert trainer.evaluate(loader)["loss"] == pytest.approx(np.mean([1, 4, 9, 16, 25]))
    assert trainer.fit(loader, 1, progress=False)["loss"][0] > 0
    assert trainer.predict(loader).shape == (5,)
