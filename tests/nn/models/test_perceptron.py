"""The perceptron: Rosenblatt's rule and its theorem, scikit-learn's numbers, and the neuron that calculus trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
from nn.models import Perceptron

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
GATES = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "nand": [1, 1, 1, 0], "first": [0, 0, 1, 1], "never": [0] * 4, "always": [1] * 4}


def separated(seed: int, n: int = 60, features: int = 3, margin: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return samples on both sides of a plane, none nearer than `margin`, their classes, and the plane (w, b) of unit length."""
    rng = np.random.default_rng(seed)
    plane = rng.standard_normal(features + 1)
    plane[-1] *= 0.2  # not so far off that all samples lie on one side
    plane /= np.linalg.norm(plane)
    x = rng.uniform(-1, 1, (20 * n, features))
    z = x @ plane[:-1] + plane[-1]
    x, z = x[np.abs(z) > margin][:n], z[np.abs(z) > margin][:n]
    return x, (z > 0).astype(int), plane


def test_it_fires_above_zero_and_not_at_zero() -> None:
    neuron = Perceptron(2)
    neuron.load_state_dict({"weight": np.array([1.0, -2.0]), "bias": np.array(0.5)})
    assert neuron(np.array([[1.5, 1.0], [1.6, 1.0], [0.0, 0.0], [0.0, 0.25]])).tolist() == [0.0, 1.0, 1.0, 0.0]
    assert neuron.predict([[1.5, 1.0], [1.6, 1.0]]).tolist() == [0, 1]
    assert neuron(np.array([1.6, 1.0])).shape == ()


@pytest.mark.parametrize("activation", ["step", "sigmoid"])
@pytest.mark.parametrize("gate", GATES)
def test_it_learns_the_gates_that_a_line_can_make(gate: str, activation: str) -> None:
    neuron = Perceptron(2, activation)
    report = neuron.fit(CORNERS, GATES[gate])
    assert report.converged
    assert report.separable is True
    assert report.epochs == len(report.mistakes)
    assert report.mistakes[-1] == 0
    assert all(report.mistakes[:-1])
    assert neuron.predict(CORNERS).tolist() == GATES[gate]


def test_rosenblatts_rule_by_hand() -> None:
    """or: at (0, 1) it should have fired at z = 0, and at (1, 0) too; then at (0, 0) the bias is one too high."""
    neuron = Perceptron(2)
    report = neuron.fit(CORNERS, GATES["or"], epochs=1)
    assert report.mistakes == [1]
    assert (neuron.weight.tolist(), neuron.bias.item()) == ([0.0, 1.0], 1.0)
    report = neuron.fit(CORNERS, GATES["or"], epochs=1)
    assert report.mistakes == [2]
    assert (neuron.weight.tolist(), neuron.bias.item()) == ([1.0, 1.0], 1.0)


@pytest.mark.parametrize("labels", [[0, 1, 1, 0], [1, 0, 0, 1]])
def test_xor_is_proven_not_to_be_separable(labels: list[int]) -> None:
    neuron = Perceptron(2)
    report = neuron.fit(CORNERS, labels)
    assert not report.converged
    assert report.separable is False
    assert report.epochs < 20
    assert "not separable" in str(report)
    assert "nn.models.MLP" in str(report)


def test_corrections_that_rounding_swallows_prove_nothing() -> None:
    neuron = Perceptron(1, dtype=np.float64)
    with ad.no_grad():
        neuron.weight[...], neuron.bias[...] = -1e17, 1e17
    report = neuron.fit([[1.5], [-1.5]], [1, 0], epochs=5)  # which a line divides
    assert (report.converged, report.separable, report.epochs) == (False, None, 5)


def test_the_weights_are_those_of_the_last_epoch_where_it_does_not_converge() -> None:
    """xor: (0, 1) should have fired at z = 0, then (1, 1) should not at z = 2; that is epoch 1."""
    neuron = Perceptron(2)
    assert neuron.fit(CORNERS, [0, 1, 1, 0], epochs=1).mistakes == [2]
    assert (neuron.weight.tolist(), neuron.bias.item()) == ([-1.0, 0.0], 0.0)


def test_a_pocket_keeps_the_best_weights_of_all_epochs() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 2))
    y = (x[:, 0] + 0.5 * rng.standard_normal(80) > 0).astype(int)  # some lie on the wrong side
    wrong = {}
    for pocket in (False, True):
        neuron = Perceptron(2)
        report = neuron.fit(x, y, epochs=60, pocket=pocket)
        assert not report.converged
        wrong[pocket] = int((neuron.predict(x) != y).sum())
    after_each = []
    neuron = Perceptron(2)
    for _ in range(60):
        neuron.fit(x, y, epochs=1)
        after_each.append(int((neuron.predict(x) != y).sum()))
    assert wrong[True] == min(after_each) < wrong[False] == after_each[-1]


def test_what_is_not_known_is_not_said() -> None:
    for options in ({"shuffle": True, "generator": np.random.default_rng(0)}, {}):
        report = Perceptron(2).fit(CORNERS, [0, 1, 1, 0], epochs=2, **options)  # type: ignore[arg-type]
        assert (report.converged, report.separable, report.epochs) == (False, None, 2)
        assert "not converged" in str(report)
    report = Perceptron(2, "sigmoid").fit(CORNERS, [0, 1, 1, 0], epochs=50)
    assert (report.converged, report.separable) == (False, None)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), shuffle=st.booleans(), lr=st.sampled_from([1.0, 0.5, 4.0]))
def test_mistakes_stay_below_the_bound_of_the_convergence_theorem(seed: int, shuffle: bool, lr: float) -> None:
    x, y, plane = separated(seed)
    report = Perceptron(3).fit(x, y, epochs=10_000, lr=lr, shuffle=shuffle, generator=np.random.default_rng(seed))
    radius, margin = np.sqrt(1 + (x**2).sum(axis=1)).max(), np.abs(x @ plane[:-1] + plane[-1]).min()
    assert report.converged
    assert sum(report.mistakes) <= (radius / margin) ** 2


@settings(max_examples=200, deadline=None)
@given(
    x=st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=2, max_size=7), data=st.data()
)
def test_what_is_called_separable_is_and_what_is_not_is_not(x: list[Any], data: st.DataObject) -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="asks a linear program")
    y = data.draw(st.lists(st.integers(0, 1), min_size=len(x), max_size=len(x)))
    report = Perceptron(2).fit(x, y, epochs=3000)
    assert report.separable is not None
    signs = 2 * np.array(y) - 1
    rows = -signs[:, None] * np.column_stack([np.array(x), np.ones(len(x))])  # a plane with z >= 1 and z <= -1
    program = optimize.linprog(np.zeros(3), A_ub=rows, b_ub=-np.ones(len(x)), bounds=[(None, None)] * 3)
    assert report.separable == (program.status == 0)


@pytest.mark.parametrize("epochs", [1, 2, 5, 50])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_weights_and_mistakes_are_those_of_scikit_learn(seed: int, epochs: int) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model", reason="compares with scikit-learn")
    x, y, _ = separated(seed)
    first = int(np.argmax(y))  # at zero weights theirs counts a negative sample as a mistake, ours a positive one
    x[[0, first]], y[[0, first]] = x[[first, 0]], y[[first, 0]]
    theirs = linear_model.Perceptron(max_iter=epochs, tol=None, shuffle=False, n_iter_no_change=10**6)
    theirs.fit(x, y)
    neuron = Perceptron(3, dtype=np.float64)
    report = neuron.fit(x, y, epochs=epochs)
    if not report.converged:
        assert report.epochs == epochs
    np.testing.assert_allclose(neuron.weight.numpy(), theirs.coef_[0], rtol=1e-9, atol=1e-12)
    assert neuron.bias.item() == pytest.approx(theirs.intercept_[0])
    np.testing.assert_array_equal(neuron.predict(x), theirs.predict(x))


def test_iris_setosa_is_separable_from_the_others_and_they_not_from_each_other() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="real data")
    x, y = datasets.load_iris(return_X_y=True)
    report = Perceptron(4).fit(x, y == 0)
    assert report.converged
    report = Perceptron(4).fit(x, y == 1, epochs=50)
    assert not report.converged


def test_the_sigmoid_neuron_is_differentiable_and_trains_in_a_loop_too() -> None:
    x, y, _ = separated(0)
    neuron = Perceptron(3, "sigmoid", dtype=np.float64)
    ad.check_grads(lambda samples: neuron(samples), x[:5])
    optimizer = nn.optim.Adam(neuron.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy(neuron(x), y).backward()
        optimizer.step()
    assert (neuron.predict(x) == y).mean() == 1.0
    np.testing.assert_array_equal(neuron.predict(x), neuron(x).numpy() > 0.5)
    step = Perceptron(3)
    step.load_state_dict(neuron.state_dict())
    np.testing.assert_array_equal(step(x).numpy(), neuron.predict(x))
    step(x).sum().backward()
    assert step.weight.grad is not None
    assert not step.weight.grad.numpy().any()  # why Rosenblatt needed a rule of his own


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[0, 1]], [2]), ValueError, "the classes must be 0 and 1, got 2; write"),
        (([[0, 1]], [-1]), ValueError, "the classes must be 0 and 1, got -1"),
        (([[0, 1]], [[1]]), ValueError, r"one class for each sample, of shape \(N,\), got \(1, 1\)"),
        (([[0, 1, 2]], [1]), ValueError, r"expected samples of shape \(N, 2\), got \(1, 3\)"),
        (([0, 1], [1]), ValueError, r"expected samples of shape \(N, 2\)"),
        (([[0, 1], [1, 1]], [1]), ValueError, "2 samples, but 1 classes"),
        ((np.zeros((0, 2)), []), ValueError, "there are no samples"),
        (([[0, np.nan]], [1]), ValueError, "nan or infinity"),
        (([["a", "b"]], [1]), TypeError, "expected numbers"),
        (([[0, 1]], [1], 0), ValueError, "epochs must be a positive integer"),
        (([[0, 1]], [1], 1, 0.0), ValueError, "lr must be a positive number"),
    ],
)
def test_what_it_cannot_learn_from_is_refused(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Perceptron(2).fit(*arguments)


def test_what_it_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="in_features must be a positive integer"):
        Perceptron(0)
    with pytest.raises(ValueError, match="activation is 'step' or 'sigmoid', got 'relu'"):
        Perceptron(2, "relu")
    with pytest.raises(ValueError, match=r"expected 2 inputs on the last axis, got shape \(3,\)"):
        Perceptron(2)(np.zeros(3))
