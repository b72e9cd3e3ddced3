"""The multi-layer perceptron: what it is made of, the four tasks it learns, and PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.models import MLP


def test_what_stands_between_the_layers() -> None:
    model = MLP([4, 8, 6, 3], activation="leaky_relu", dropout=0.25, normalization="batch")
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Linear", "BatchNorm1d", "LeakyReLU", "Dropout"] * 2 + ["Linear"]
    assert [name for name, _ in MLP([2, 3, 1], task="binary").named_parameters()] == [
        "layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias",
    ]  # fmt: skip
    assert [type(layer).__name__ for layer in MLP([4, 3]).layers] == ["Linear"]
    assert type(MLP([4, 3, 2], activation=nn.Tanh).layers[1]) is nn.Tanh
    slopes = [layer for layer in MLP([4, 3, 3, 2], activation=lambda: nn.LeakyReLU(0.3)).layers if isinstance(layer, nn.LeakyReLU)]
    assert len({id(slope) for slope in slopes}) == 2


def test_it_computes_what_pytorch_does() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = MLP([4, 8, 3], activation="gelu", normalization="layer", dtype=np.float64)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.GELU(), torch.nn.Linear(8, 3)
    ).double()
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.layers.state_dict().items()})
    x, y = np.random.default_rng(0).standard_normal((6, 4)), np.array([0, 1, 2, 0, 1, 2])
    loss = ours.loss()(ours(x), y)
    loss.backward()
    expected = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y))
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    for parameter, other in zip(ours.parameters(), theirs.parameters()):
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), other.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("initialization", ["kaiming_normal", "xavier_uniform_", nn.init.orthogonal_, nn.init.zeros_])
def test_initial_values_can_be_chosen_and_repeated(initialization: Any) -> None:
    first, second = (
        MLP([4, 8, 3], initialization=initialization, generator=np.random.default_rng(0)).state_dict() for _ in range(2)
    )
    for name, value in first.items():
        np.testing.assert_array_equal(value.numpy(), second[name].numpy())
        if name.endswith("bias"):
            assert not value.numpy().any()
    if initialization == "kaiming_normal":
        assert first["layers.0.weight"].numpy().std() == pytest.approx((2 / 4) ** 0.5, rel=0.5)


RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (300, 2))
TARGETS: dict[str, tuple[Any, list[int]]] = {
    "multiclass": ((X[:, 0] > 0).astype(int) + (X[:, 1] > 0), [2, 32, 3]),
    "binary": ((X[:, 0] * X[:, 1] > 0).astype(int), [2, 32, 1]),
    "multilabel": ((X > 0).astype(int), [2, 32, 2]),
    "regression": (np.sin(3 * X[:, 0]) + X[:, 1] ** 2, [2, 32, 1]),
}


@pytest.mark.parametrize("task", TARGETS)
def test_it_learns_each_task(task: str) -> None:
    y, sizes = TARGETS[task]
    model = MLP(sizes, activation="tanh", task=task, generator=np.random.default_rng(1))
    optimizer, criterion = nn.optim.Adam(model.parameters(), lr=0.02), model.loss()
    first = criterion(model(X), y).item()
    for _ in range(400):
        optimizer.zero_grad()
        loss = criterion(model(X), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2 * first
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    if task == "regression":
        assert nn.metrics.r2_score(predicted, y) > 0.95
        with pytest.raises(TypeError, match="a regression has no probabilities"):
            model.predict_proba(X)
    else:
        assert nn.metrics.accuracy(predicted, y) > 0.93
        p = model.predict_proba(X)
        np.testing.assert_array_equal(p.argmax(-1) if task == "multiclass" else (p > 0.5).astype(int), predicted)
        assert p.shape == ((300, 3) if task == "multiclass" else y.shape)


def test_prediction_is_done_in_eval_mode_and_the_mode_comes_back() -> None:
    model = MLP([2, 8, 2], dropout=0.5, normalization="batch")
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    assert np.array_equal(model.predict_proba(X), model.predict_proba(X))
    assert model.training
    assert all(module.training for module in model.modules())
    assert {name: value.tolist() for name, value in model.state_dict().items()} == before
    model.layers[1].eval()  # a layer that is kept in that mode on purpose
    model.predict(X)
    assert not model.layers[1].training
    with pytest.raises(ValueError, match="features"):
        model.predict(np.zeros((3, 5)))
    assert model.training


def test_leading_axes_are_kept() -> None:
    assert MLP([3, 4, 2])(np.zeros((5, 6, 3))).shape == (5, 6, 2)
    assert MLP([3, 4, 1], task="regression")(np.zeros((5, 6, 3))).shape == (5, 6)
    assert MLP([3, 4, 2], task="regression")(np.zeros(3)).shape == (2,)
    assert MLP([3, 4, 1], task="multilabel")(np.zeros((5, 3))).shape == (5, 1)


def test_gradients_to_second_order() -> None:
    model = MLP([2, 3, 2], activation="tanh", normalization="layer", dtype=np.float64)
    ad.check_grads(lambda x: model(x), np.random.default_rng(0).standard_normal((4, 2)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sizes": [4]}, ValueError, "at least two positive integers"),
        ({"sizes": 4}, ValueError, "at least two positive integers"),
        ({"sizes": [4, 0, 2]}, ValueError, "at least two positive integers"),
        ({"sizes": [4, 2.5]}, ValueError, "at least two positive integers"),
        ({"sizes": [4, 2], "task": "classification"}, ValueError, "task is one of 'multiclass', 'binary'"),
        ({"sizes": [4, 2], "task": "binary"}, ValueError, "a binary task has one output"),
        ({"sizes": [4, 1]}, ValueError, "one output cannot choose between classes; say task='binary'"),
        ({"sizes": [4, 2], "normalization": "group"}, ValueError, "normalization is one of batch, layer, rms or None"),
        ({"sizes": [4, 2], "activation": "rely"}, ValueError, "unknown activation 'rely'; known are"),
        ({"sizes": [4, 2], "activation": nn.ReLU()}, TypeError, "give the class, not a module of it"),
        ({"sizes": [4, 2], "activation": 3}, TypeError, "activation is a name, a Module class or a function"),
        ({"sizes": [4, 2], "initialization": "he"}, ValueError, "nn.init has no 'he'; it has .*kaiming_normal"),
        ({"sizes": [4, 3, 2], "activation": nn.functional.relu}, TypeError, "'relu' makes no Module when called without arguments"),
        ({"sizes": [4, 3, 2], "activation": lambda: 3}, TypeError, "makes no Module"),
        ({"sizes": [4, 3, 2], "dropout": 1.5}, ValueError, "p is the probability"),
    ],
)
def test_what_it_cannot_be_is_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MLP(**arguments)
