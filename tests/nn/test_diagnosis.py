"""`nn.health`: each planted fault is found, by its name and in its place, and nothing else; healthy models are left in peace."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor
from nn import functional as F
from nn.diagnosis import CHECKS

N, FEATURES, CLASSES = 64, 20, 5
rng = np.random.default_rng(7)
CENTRES = rng.normal(size=(CLASSES, FEATURES)) * 1.5
Y = rng.integers(0, CLASSES, N)
X = (CENTRES[Y] + rng.normal(size=(N, FEATURES))).astype(np.float32)
X /= X.std()
YES = (Y > 1).astype(np.float32)[:, None]
REAL = np.tanh(X[:, :1] + X[:, 1:2] * X[:, 2:3]).astype(np.float32)
MASK = np.where(np.arange(FEATURES) < 15, 0, -np.inf).astype(np.float32)
TOKENS = rng.integers(0, 30, (N, 6))
CE, MSE, BCE = nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()


def mlp(out: int = CLASSES, *end: nn.Module) -> nn.Sequential:
    nn.manual_seed(1)
    return nn.Sequential(nn.Linear(FEATURES, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, out), *end)


class Through(nn.Module):
    """A model whose forward is a function of its parts and the input."""

    def __init__(self, function: Callable[[Any, Any], Any], parts: nn.Sequential | None = None):
        self.parts = mlp() if parts is None else parts
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(self.parts, x)


class Bag(nn.Module):
    def __init__(self) -> None:
        nn.manual_seed(2)
        self.words, self.out = nn.Embedding(30, 16), nn.Linear(16, CLASSES)

    def forward(self, tokens: Any) -> Tensor:
        return self.out(self.words(tokens).mean(axis=1))


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        nn.manual_seed(2)
        self.left, self.right, self.out = nn.Linear(FEATURES, 8), nn.Linear(FEATURES, 8), nn.Linear(8, CLASSES)

    def forward(self, a: Any, b: Any) -> dict[str, Tensor]:
        hidden = np.tanh(self.left(a) + self.right(b))
        return {"logits": self.out(hidden), "hidden": hidden}


def of_logits(output: dict[str, Tensor], target: Any) -> Tensor:
    return F.cross_entropy(output["logits"], target)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    nn.manual_seed(3)
    return make()


HEALTHY: dict[str, tuple[Callable[[], nn.Module], Any, tuple[Any, ...]]] = {
    "mlp": (mlp, CE, (X, Y)),
    "float64 data": (mlp, CE, (X.astype(float), Y)),
    "regression": (lambda: mlp(1), MSE, (X, REAL)),
    "absolute error": (lambda: mlp(1), nn.L1Loss(), (X, REAL)),
    "a function as the loss": (lambda: mlp(1), lambda p, t: ((p - t) ** 2).mean(), (X, REAL)),
    "batch norm and dropout": (
        lambda: seeded(
            lambda: nn.Sequential(nn.Linear(FEATURES, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, CLASSES))
        ), CE, (X, Y),
    ),
    "layer norm and gelu": (
        lambda: seeded(lambda: nn.Sequential(nn.Linear(FEATURES, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, CLASSES))),
        CE, (X, Y),
    ),
    "binary": (lambda: mlp(1), BCE, (X, YES)),
    "binary by probabilities": (lambda: mlp(1, nn.Sigmoid()), nn.BCELoss(), (X, YES)),
    "log-probabilities": (lambda: mlp(CLASSES, nn.LogSoftmax(1)), nn.NLLLoss(), (X, Y)),
    "sum": (mlp, nn.CrossEntropyLoss(reduction="sum"), (X, Y)),
    "weights and smoothing": (mlp, nn.CrossEntropyLoss(weight=[1, 2, 3, 4, 5], label_smoothing=0.1), (X, Y)),
    "tanh": (lambda: seeded(lambda: nn.models.MLP([FEATURES, 32, 32, CLASSES], activation="tanh")), CE, (X, Y)),
    "logistic regression from zeros": (
        lambda: nn.Sequential(nn.init.zeros_(layer.weight) is None or layer) if (layer := nn.Linear(FEATURES, CLASSES)) else None,
        CE, (X, Y),
    ),
    "embedding": (Bag, CE, (TOKENS, Y)),
    "two inputs, two outputs": (TwoInputs, of_logits, (X, X[:, ::-1].copy(), Y)),
    "images scaled by the model": (lambda: Through(lambda parts, x: parts((x - 128.0) / 64.0)), CE, (X * 64 + 128, Y)),
    "large inputs, normalised": (
        lambda: seeded(lambda: nn.Sequential(nn.BatchNorm1d(FEATURES), *mlp())), CE, (X * 1000 + 500, Y)
    ),
    "Tensors, in a list": (mlp, CE, [Tensor(X), Tensor(Y)]),
    "autoencoder": (lambda: mlp(FEATURES), MSE, (X, X)),
    "an attention mask of infinities": (
        lambda: Through(lambda parts, x: parts(F.softmax(x + MASK) * x)),
        CE, (X, Y),
    ),
    "one array made of the input": (lambda: Through(lambda parts, x: parts(np.asarray(x))), CE, (X, Y)),
}  # fmt: skip


def places(health: Any) -> list[tuple[str, str]]:
    return [(finding.check, finding.where) for finding in health.findings]


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_models_are_left_in_peace(name):
    make, loss, batch = HEALTHY[name]
    model = make()
    optimizer = nn.optim.Adam(model.parameters(), lr=1e-3)
    health = nn.health(model, loss, batch, optimizer)
    assert places(health) == [], health
    assert health.ok
    assert len(health.checks) + len(health.skipped) == len(CHECKS)
    assert "overfit" in health.checks


@pytest.mark.parametrize("name", [name for name in HEALTHY if name not in ("one array made of the input",)])
def test_healthy_models_are_left_in_peace_after_training(name):
    make, loss, batch = HEALTHY[name]
    model = make()
    optimizer = nn.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss(model(*batch[:-1]), batch[-1]).backward()
        optimizer.step()
    assert places(nn.health(model, loss, batch, optimizer)) == []
    model.zero_grad()
    assert places(nn.health(model, loss, batch)) == []


# ------------------------------------------------------------------------------------------------- planted faults


def changed(change: Callable[[Any], Any], make: Callable[[], nn.Module] = mlp) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        model = make()
        with ad.no_grad():
            change(model)
        return model

    return made


def with_weights(factor: float, *places: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for i in places:
            model[i].weight *= factor

    return change


def set_to(i: int, name: str, value: float) -> Callable[[Any], None]:
    return lambda model: nn.init.constant_(getattr(model[i], name), value)


def deep(activation: type[nn.Module], depth: int, factor: float = 1.0) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        nn.manual_seed(1)
        layers = [part for _ in range(depth) for part in (nn.Linear(FEATURES, FEATURES), activation())]
        model = nn.Sequential(*layers, nn.Linear(FEATURES, CLASSES))
        return changed(with_weights(factor, *range(0, 2 * depth, 2)), lambda: model)()

    return made


def with_part(part: nn.Module) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        model = Through(lambda parts, x: parts(x))
        model.spare = part
        return model

    return made


def norm_over_batch(x: Any) -> Any:
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-5)


def in_the_middle(function: Callable[[Any], Any]) -> Callable[[], nn.Module]:
    return lambda: Through(lambda parts, x: parts[2:](function(parts[:2](x))))


def with_modes(train: bool, *others: int) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        model: Any = HEALTHY["batch norm and dropout"][0]().train(train)
        for i in others:
            model[i].train(not train)
        return model

    return made


def nan_at(array: np.ndarray, *index: int) -> np.ndarray:
    array = array.astype(np.float32)
    array[index] = np.nan
    return array


def all_equal(model: Any) -> None:
    for i in (0, 2):
        nn.init.constant_(model[i].weight, 0.05)
        nn.init.zeros_(model[i].bias)


wide = np.ones(32)
# fault -> (model, loss, batch), what is to be found, how severe
FAULTS: dict[str, tuple[Callable[[], nn.Module], Any, tuple[Any, ...], list[tuple[str, str]], str]] = {
    "dead layer": (changed(set_to(2, "bias", -50.0)), CE, (X, Y), [("dead_relu", "3")], "error"),
    "dead units": (
        changed(lambda m: m[0].bias.__setitem__(slice(0, 24), -50.0)), CE, (X, Y), [("dead_relu", "1")], "warning",
    ),
    "dead units of a function": (
        changed(set_to(2, "bias", -50.0), lambda: nn.Sequential(*mlp()[:3], Through(lambda p, x: p(F.relu(x)), mlp()[4:]))),
        CE, (X, Y), [("dead_relu", "3")], "error",
    ),
    "saturated tanh": (
        changed(lambda m: (m.set_submodule("1", nn.Tanh()), with_weights(30.0, 0)(m))),
        CE, (X, Y), [("saturation", "1")], "warning",
    ),
    "saturated sigmoid": (
        changed(lambda m: (m.set_submodule("3", nn.Sigmoid()), set_to(2, "bias", 20.0)(m))),
        CE, (X, Y), [("saturation", "3")], "error",
    ),
    "vanishing": (deep(nn.Sigmoid, 10), CE, (X, Y), [("gradient_flow", "0")], "error"),
    "vanishing a little": (deep(nn.ReLU, 11), CE, (X, Y), [("gradient_flow", "0")], "warning"),
    "exploding": (deep(nn.LeakyReLU, 9, 8.0), CE, (X, Y), [("gradient_flow", "0")], "warning"),
    "blocked": (in_the_middle(np.round), CE, (X, Y), [("gradient_flow", "parts.0")], "error"),
    "unused module": (with_part(nn.Linear(2, 2)), CE, (X, Y), [("no_gradient", "spare")], "warning"),
    "frozen": (changed(lambda m: m[0].requires_grad_(False)), CE, (X, Y), [("no_gradient", "0")], "note"),
    "frozen parameter": (changed(lambda m: m[2].bias.requires_grad_(False)), CE, (X, Y), [("no_gradient", "2.bias")], "note"),
    "all frozen": (changed(lambda m: m.requires_grad_(False)), CE, (X, Y), [("no_gradient", "model")], "error"),
    "detached": (in_the_middle(lambda h: h.detach()), CE, (X, Y), [("no_gradient", "parts.0")], "error"),
    "through numpy": (in_the_middle(lambda h: Tensor(h.numpy())), CE, (X, Y), [("no_gradient", "parts.0")], "error"),
    "no parameters": (nn.GELU, CE, (X, Y), [("no_gradient", "model")], "error"),
    "sure from the start": (changed(with_weights(60.0, 4)), CE, (X, Y), [("loss_at_start", "loss")], "warning"),
    "sure of yes": (changed(set_to(4, "bias", -9.0), lambda: mlp(1)), BCE, (X, YES), [("loss_at_start", "loss")], "warning"),
    "far targets": (lambda: mlp(1), MSE, (X, REAL + 40), [("loss_at_start", "loss")], "warning"),
    "(N,1) and (N,)": (lambda: mlp(1), MSE, (X, REAL[:, 0]), [("shapes", "loss")], "error"),
    "(N,) and (N,1)": (
        lambda: Through(lambda p, x: p(x)[:, 0], mlp(1)), lambda p, t: abs(p - t).mean(), (X, REAL), [("shapes", "loss")], "error",
    ),
    "(N,1) and (N,) in a function": (
        lambda: mlp(1), lambda p, t: ((p - t) ** 2).mean(), (X, REAL[:, 0]), [("shapes", "loss")], "error",
    ),
    "softmax twice": (lambda: mlp(CLASSES, nn.Softmax(1)), CE, (X, Y), [("softmax_twice", "5")], "error"),
    "softmax twice by functions": (
        lambda: Through(lambda p, x: F.softmax(p(x), 1)), F.cross_entropy, (X, Y), [("softmax_twice", "Through")], "error",
    ),
    "log_softmax twice": (lambda: mlp(CLASSES, nn.LogSoftmax(1)), CE, (X, Y), [("softmax_twice", "5")], "note"),
    "logits for NLLLoss": (mlp, nn.NLLLoss(), (X, Y), [("softmax_twice", "4")], "error"),
    "sigmoid twice": (lambda: mlp(1, nn.Sigmoid()), BCE, (X, YES), [("softmax_twice", "5")], "error"),
    "relu before the loss": (lambda: mlp(CLASSES, nn.ReLU()), CE, (X, Y), [("softmax_twice", "5")], "error"),
    "dropout in eval": (in_the_middle(lambda h: F.dropout(h, 0.5)), CE, (X, Y), [("randomness", "Through")], "error"),
    "added noise": (
        in_the_middle(lambda h: h + np.random.normal(size=h.shape).astype(np.float32)),  # noqa: NPY002
        CE, (X, Y), [("randomness", "Through")], "error",
    ),
    "a mean over the batch": (in_the_middle(norm_over_batch), CE, (X, Y), [("batch_leak", "Through")], "error"),
    "softmax over the batch": (lambda: mlp(CLASSES, nn.Softmax(0), nn.Linear(CLASSES, CLASSES)), CE, (X, Y),
                               [("batch_leak", "5")], "error"),
    "a sum along the batch": (in_the_middle(lambda h: h.cumsum(axis=0) / 8), CE, (X, Y), [("batch_leak", "Through")], "error"),
    "statistics in eval": (
        lambda: nn.Sequential(*mlp()[:4], nn.BatchNorm1d(32, track_running_stats=False), *mlp()[4:]),
        CE, (X, Y), [("batch_leak", "4")], "error",
    ),
    "left in eval": (with_modes(True, 3), CE, (X, Y), [("modes", "3")], "note"),
    "left in training": (with_modes(False, 3), CE, (X, Y), [("modes", "3")], "warning"),
    "float64 constants": (in_the_middle(lambda h: h * wide), CE, (X, Y), [("mixed_dtypes", "Through")], "warning"),
    "float64 constant in a module": (
        lambda: nn.Sequential(*mlp(), Through(lambda p, x: x + np.zeros(CLASSES), nn.Sequential())), CE, (X, Y),
        [("mixed_dtypes", "5")], "warning",
    ),
    "float64 asked for": (lambda: Through(lambda p, x: p(x).astype(float)), CE, (X, Y), [("mixed_dtypes", "Through")], "note"),
    "a float64 layer": (changed(lambda m: m[4].double()), CE, (X, Y), [("mixed_dtypes", "4")], "warning"),
    "a gradient of the wrong sign": (
        lambda: Through(lambda p, x: (lambda y: 2 * y.detach() - y)(p(x))), CE, (X, Y), [("overfit", "model")], "warning",
    ),
    "pixels": (mlp, CE, (abs(X) * 80, Y), [("inputs", "input")], "warning"),
    "one sample repeated": (mlp, CE, (np.repeat(X[:1], N, 0), Y), [("inputs", "input")], "warning"),
    "no such class": (mlp, CE, (X, Y + 2), [("targets", "target")], "error"),
    "class numbers that are floats": (mlp, CE, (X, Y.astype(float)), [("targets", "target")], "error"),
    "labels -1 and 1": (lambda: mlp(1), BCE, (X, 2 * YES - 1), [("targets", "target")], "error"),
    "one class only": (mlp, CE, (X, np.full(N, 2)), [("targets", "target")], "warning"),
    "out of tanh's reach": (lambda: mlp(1, nn.Tanh()), MSE, (X, 1.8 * REAL), [("targets", "5")], "error"),
    "nan in the input": (mlp, CE, (nan_at(X, 3, 4), Y), [("not_finite", "input")], "error"),
    "nan in the target": (lambda: mlp(1), MSE, (X, nan_at(REAL, 3, 0)), [("not_finite", "target")], "error"),
    "nan in a weight": (
        changed(lambda m: m[2].weight.__setitem__((0, 0), np.nan)), CE, (X, Y), [("not_finite", "2.weight")], "error",
    ),
    "log of 0": (in_the_middle(np.log), CE, (X, Y), [("not_finite", "Through")], "error"),
    "a square root's slope at 0": (in_the_middle(lambda h: np.sqrt(h) + 0), CE, (X, Y), [("not_finite", "Through")], "error"),
    "all weights equal": (changed(all_equal), CE, (X, Y), [("symmetry", "0.weight")], "error"),
    "weights of zero": (changed(lambda m: (set_to(2, "weight", 0.0)(m), set_to(2, "bias", 0.0)(m))), CE, (X, Y),
                        [("symmetry", "2.weight")], "error"),
    "inputs drowned": (lambda: Through(lambda p, x: p(x * 1e-9)), CE, (X, Y), [("constant_output", "parts.0")], "error"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(name):
    make, loss, batch, expected, severity = FAULTS[name]
    health = nn.health(make(), loss, batch)
    assert places(health) == expected, health
    assert {finding.severity for finding in health.findings} == {severity}
    assert health.ok == (severity == "note")
    for finding in health.findings:
        assert finding.evidence
        assert finding.cure


def test_every_check_is_planted_for():
    found = {check for *_, expected, _ in FAULTS.values() for check, _ in expected}
    assert set(CHECKS) - found == {"optimizer", "zero_grad", "update_ratio"}  # those that need an optimizer: below


# ------------------------------------------------------------------------------------------------- with an optimizer


@pytest.mark.parametrize(
    ("make", "expected", "severity"),
    [
        (lambda m: nn.optim.Adam(m.parameters(), lr=30.0), [("update_ratio", "4.weight")], "error"),
        (lambda m: nn.optim.Adam(m.parameters(), lr=0.4), [("update_ratio", "4.weight")], "warning"),
        (lambda m: nn.optim.SGD(m.parameters(), lr=1e-8), [("update_ratio", "0.weight")], "warning"),
        (lambda m: nn.optim.SGD([{"params": m[2:].parameters()}, {"params": m[:2].parameters(), "lr": 1e-8}], lr=0.1),
         [("update_ratio", "0.weight")], "warning"),
        (lambda m: nn.optim.Adam(m[:4].parameters()), [("optimizer", "4")], "warning"),
        (lambda m: nn.optim.Adam([p for p in m.parameters() if p is not m[2].bias]), [("optimizer", "2.bias")], "warning"),
        (lambda m: nn.optim.Adam(mlp().parameters()), [("optimizer", "optimizer")], "error"),
        (lambda m: nn.optim.SGD(m.parameters(), lr=0.0), [("optimizer", "optimizer")], "error"),
    ],
)  # fmt: skip
def test_mistakes_of_an_optimizer(make, expected, severity):
    model = mlp()
    health = nn.health(model, CE, (X, Y), make(model))
    assert places(health) == expected, health
    assert health.findings[0].severity == severity


def test_small_updates_of_a_model_that_has_learned_are_fine():
    model = mlp()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    nn.Trainer(model, CE, optimizer).fit((X, Y), epochs=60, batch_size=N, progress=False)
    assert places(nn.health(model, CE, (X, Y), nn.optim.SGD(model.parameters(), lr=1e-6), omit=["zero_grad"])) == []


def test_lbfgs_takes_no_single_step():
    model = mlp()
    health = nn.health(model, CE, (X, Y), nn.optim.LBFGS(model.parameters()))
    assert places(health) == []
    assert "LBFGS" in health.skipped["update_ratio"]


def test_gradients_that_were_never_dropped():
    model = mlp()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            CE(model(X), Y).backward()
            optimizer.step()
    health = nn.health(model, CE, (X, Y), optimizer)
    assert places(health) == [("zero_grad", "optimizer")]
    assert "3 steps" in health.findings[0].evidence


def test_gradients_of_another_batch():
    model = mlp()
    CE(model(X[:9]), Y[:9]).backward()
    health = nn.health(model, CE, (X, Y))
    assert places(health) == [("zero_grad", "model")]
    assert health.ok
    assert not nn.health(model, CE, (X, Y), nn.optim.SGD(model.parameters(), lr=0.1)).ok  # no step has used them


def test_gradients_of_the_same_batch_and_zeros_are_fine():
    model = mlp()
    CE(model(X), Y).backward()
    assert places(nn.health(model, CE, (X, Y))) == []
    model.zero_grad(set_to_none=False)
    assert places(nn.health(model, CE, (X[:20], Y[:20]))) == []


def test_forgotten_eval():
    health = nn.health(with_modes(True)(), CE, (X, Y), evaluating=True)
    assert places(health) == [("modes", "1"), ("modes", "3")]
    assert places(nn.health(with_modes(False)(), CE, (X, Y), evaluating=True)) == []
    model = with_modes(False)()
    assert places(nn.health(model, CE, (X, Y))) == []
    assert places(nn.health(model, CE, (X, Y), nn.optim.Adam(model.parameters()))) == [("modes", "model")]


# ------------------------------------------------------------------------------------------------- more of both


class Recurrent(nn.Module):
    def __init__(self) -> None:
        nn.manual_seed(5)
        self.read, self.keep, self.out = nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, x: Any) -> Tensor:
        state = np.tanh(self.read(x[:, 0]))
        for t in range(1, x.shape[1]):
            state = np.tanh(self.read(x[:, t]) + self.keep(state))
        return self.out(state)


class Similar(nn.Module):
    """All samples against all: its output is no row for each sample, though N numbers long in both directions."""

    def __init__(self) -> None:
        nn.manual_seed(5)
        self.body = mlp(8)

    def forward(self, x: Any) -> Tensor:
        z = self.body(x)
        return z @ z.T


class Layers:
    """A holder of layers that is no module, so that nobody sees them."""

    def __init__(self) -> None:
        self.first = nn.Linear(FEATURES, 16)


UNSEEN = Layers()


class TimeFirst(nn.Module):
    def __init__(self) -> None:
        nn.manual_seed(5)
        self.read = nn.Linear(4, 5)

    def forward(self, x: Any) -> Tensor:
        return F.log_softmax(self.read(x), 2).swapaxes(0, 1)  # (T, N, C), as CTC wants it


SERIES = np.random.default_rng(3).normal(size=(24, 24, 4)).astype(np.float32)
RAW = np.random.default_rng(3).integers(0, 17, (N, 64)).astype(np.float32)
SIGNS = np.where(Y > 1, 1, -1).astype(np.float32)[:, None]


def of_series(output: Tensor, target: Any) -> Tensor:
    return F.ctc_loss(output, target, np.full(output.shape[1], len(output)), np.full(output.shape[1], 3))


MORE_HEALTHY: dict[str, tuple[Callable[[], nn.Module], Any, tuple[Any, ...]]] = {
    "recurrent": (Recurrent, CE, (SERIES[:, :10], (SERIES[:, 9, 0] > 0).astype(int))),
    "as many steps as samples, time first": (TimeFirst, of_series, (SERIES, np.random.default_rng(0).integers(1, 5, (24, 3)))),
    "raw digits": (lambda: seeded(lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))), CE, (RAW, Y)),
    "hinge": (lambda: mlp(1), lambda p, t: F.relu(1 - p * t).mean(), (X, SIGNS)),
    "the perceptron's loss": (lambda: mlp(1), lambda p, t: F.relu(-p * t).mean(), (X, SIGNS)),
    "all against all": (Similar, lambda s, t: ((s - np.eye(len(t), dtype=np.float32)) ** 2).mean(), (X, Y)),
    "two samples": (mlp, CE, (X[:2], Y[:2])),
    "as many features as samples": (lambda: seeded(lambda: nn.Linear(64, 10)), CE, (RAW / 8 - 1, Y)),
    "small last weights": (changed(with_weights(1e-2, 4)), CE, (X, Y)),
}  # fmt: skip


@pytest.mark.parametrize("trained", [0, 150])
@pytest.mark.parametrize("name", MORE_HEALTHY)
def test_more_healthy_models_are_left_in_peace(name, trained):
    make, loss, batch = MORE_HEALTHY[name]
    model = make()
    optimizer = nn.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(trained):
        optimizer.zero_grad()
        loss(model(*batch[:-1]), batch[-1]).backward()
        optimizer.step()
    assert places(nn.health(model, loss, batch, optimizer)) == []


MORE_FAULTS: dict[str, tuple[Callable[[], nn.Module], Any, tuple[Any, ...], list[tuple[str, str]]]] = {
    "layers that nobody sees": (
        lambda: Through(lambda p, x: p(F.relu(UNSEEN.first(x))), nn.Sequential(nn.Linear(16, CLASSES))),
        CE, (X, Y), [("no_gradient", "Linear")],
    ),
    "(N,1) and (1,N)": (lambda: mlp(1), lambda p, t: ((t - p) ** 2).mean(), (X, REAL.T), [("shapes", "loss")]),
    "a minus sign": (mlp, lambda p, t: -F.cross_entropy(p, t), (X, Y), [("loss_at_start", "loss")]),
    "logits for BCELoss": (lambda: mlp(1), nn.BCELoss(), (X, YES), [("softmax_twice", "4")]),
    "sigmoid of sigmoid": (lambda: mlp(1, nn.Sigmoid(), nn.Sigmoid()), nn.BCELoss(), (X, YES), [("softmax_twice", "6")]),
    "softmax twice, of sequences": (
        lambda: Through(lambda p, x: F.softmax(p(x), -1), nn.Sequential(nn.Linear(4, 30))),
        lambda p, t: F.cross_entropy(p.reshape(-1, 30), t.ravel()), (SERIES, np.zeros((24, 24), int) + np.arange(24)[:, None]),
        [("softmax_twice", "Through")],
    ),
    "relu6 at 6": (
        changed(lambda m: (m.set_submodule("1", nn.ReLU6()), set_to(0, "bias", 100.0)(m))), CE, (X, Y), [("saturation", "1")],
    ),
    "hardtanh": (
        changed(lambda m: (m.set_submodule("1", nn.Hardtanh()), with_weights(60.0, 0)(m))), CE, (X, Y), [("saturation", "1")],
    ),
    "a neighbour": (in_the_middle(lambda h: h + 0.01 * ad.roll(h, 1, 0)), CE, (X, Y), [("batch_leak", "Through")]),
    "the largest of all": (in_the_middle(lambda h: h / abs(h).max()), CE, (X, Y), [("batch_leak", "Through")]),
    "a number that widens": (in_the_middle(lambda h: h / np.sqrt(2)), CE, (X, Y), [("mixed_dtypes", "Through")]),
    "softmax over the batch, and a float64 constant": (
        lambda: Through(lambda p, x: F.softmax(p(x) * np.ones(CLASSES), 1)), CE, (X, Y),
        [("softmax_twice", "Through"), ("mixed_dtypes", "Through")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE_FAULTS)
def test_more_planted_faults_are_found_and_nothing_else(name):
    make, loss, batch, expected = MORE_FAULTS[name]
    health = nn.health(make(), loss, batch)
    assert places(health) == expected, health
    assert not health.ok


def test_what_an_optimizer_may_well_mean():
    model = mlp()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    nn.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)  # a warm-up from 0
    health = nn.health(model, CE, (X, Y), optimizer)
    assert places(health) == [("optimizer", "optimizer")]
    assert health.ok
    climbing = nn.health(model, CE, (X, Y), nn.optim.SGD(model.parameters(), lr=0.1, maximize=True))
    assert places(climbing) == [("optimizer", "optimizer")]
    assert not climbing.ok


def test_rows_of_an_embedding_that_are_not_looked_up_do_not_count():
    nn.manual_seed(0)
    model = nn.Sequential(nn.Embedding(20_000, 4), nn.Flatten(), nn.Linear(24, CLASSES))
    assert places(nn.health(model, CE, (TOKENS, Y), nn.optim.SGD(model.parameters(), lr=0.01))) == []


def test_a_long_recurrent_net_forgets_which_may_be_meant():
    health = nn.health(Recurrent(), CE, (np.tile(SERIES, (1, 3, 1)), (SERIES[:, -1, 0] > 0).astype(int)))
    assert places(health) == [("gradient_flow", "read")]
    assert health.ok
    assert "of 72 calls" in health.findings[0].evidence
