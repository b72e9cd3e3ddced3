"""Whole fits of a classifier, beside PyTorch and scikit-learn's MLPClassifier, and how good the results are.

The same architecture, data, batch size and number of epochs, the same Adam (no penalty, no early stopping), and initial
weights from the same distribution, which is scikit-learn's. This library trains the network in three ways: in a plain loop
over a DataLoader, by `nn.Trainer` and by `nn.sklearn.NeuralClassifier`. Each round has a seed of its own.
"""

from __future__ import annotations

import functools
import itertools
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .engines import ENGINES, SKLEARN, Engine

TABLE = "Whole fits"
LR = 1e-3  # and betas (0.9, 0.999), eps 1e-8: what all of them have by default
ROUNDS = 5  # at least: so many seeds

Predict = Callable[[np.ndarray], np.ndarray]  # samples to classes
Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # samples and classes to learn, samples and classes held out


@dataclass(frozen=True)
class Problem:
    """Data, and a network to learn them.

    sizes  the widths of the layers, input first
    data   returns the data in float64
    needs  the library that has the data, if any
    """

    title: str
    sizes: tuple[int, ...]
    batch: int
    epochs: int
    data: Callable[[], Data]
    dtype: str = "float32"
    needs: Engine | None = None

    @functools.cached_property
    def parts(self) -> Data:
        x, y, x_test, y_test = self.data()
        return x.astype(self.dtype), y, x_test.astype(self.dtype), y_test


def digits() -> Data:
    """Handwritten digits, 8 x 8: every fifth is held out."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return _apart(x / 16, y)


def made() -> Data:
    """2000 points in 20 dimensions, on two sides of a curved surface; some lie on the wrong one."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 20))
    height = np.tanh(x @ rng.standard_normal((20, 3))) @ np.array([1.0, -1.0, 1.0])
    return _apart(x, (height + 0.3 * rng.standard_normal(2000) > 0).astype(np.int64))


def _apart(x: np.ndarray, y: np.ndarray) -> Data:
    held_out = np.arange(len(x)) % 5 == 0
    return x[~held_out], y[~held_out], x[held_out], y[held_out]


# ----------------------------------------------------------------------------------------------- one fit of each


def _mlp(library: Any, problem: Problem, seed: int, as_tensor: Callable[[np.ndarray], Any]) -> Any:
    """Return the network, made of the layers of `nn` or `torch.nn`."""
    rng = np.random.default_rng(seed)
    layers: list[Any] = []
    weights = {}
    for inputs, outputs in itertools.pairwise(problem.sizes):
        if layers:
            layers.append(library.ReLU())
        bound = (6 / (inputs + outputs)) ** 0.5
        weights[f"{len(layers)}.weight"] = as_tensor(rng.uniform(-bound, bound, (outputs, inputs)))
        weights[f"{len(layers)}.bias"] = as_tensor(rng.uniform(-bound, bound, outputs))
        layers.append(library.Linear(inputs, outputs))
    model = library.Sequential(*layers)
    if problem.dtype == "float64":
        model.double()
    model.load_state_dict(weights)
    return model


def _plain_loop(model: Any, criterion: Any, optimizer: Any, epochs: int, batches: Callable[[], Any]) -> None:
    for _ in range(epochs):
        for x, y in batches():
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()


def _own_mlp(problem: Problem, seed: int) -> Any:
    import autodiff
    import nn

    nn.manual_seed(seed)
    return _mlp(nn, problem, seed, autodiff.Tensor)


def ours(problem: Problem, seed: int) -> Predict:
    import nn

    model = _own_mlp(problem, seed)
    loader = nn.data.DataLoader(nn.data.TensorDataset(*problem.parts[:2]), problem.batch, shuffle=True)
    optimizer = nn.optim.Adam(model.parameters(), lr=LR)
    _plain_loop(model, nn.CrossEntropyLoss(), optimizer, problem.epochs, lambda: loader)
    return lambda x: model(x).numpy().argmax(axis=1)


def trainer(problem: Problem, seed: int) -> Predict:
    import nn

    model = _own_mlp(problem, seed)
    trainer = nn.Trainer(model, nn.CrossEntropyLoss(), nn.optim.Adam(model.parameters(), lr=LR))
    trainer.fit(problem.parts[:2], problem.epochs, batch_size=problem.batch, progress=False)
    return lambda x: trainer.predict(x).argmax(axis=1)


def classifier(problem: Problem, seed: int) -> Predict:
    import nn.sklearn

    model = nn.sklearn.NeuralClassifier(
        lambda inputs, outputs: _own_mlp(problem, seed),
        lr=LR, epochs=problem.epochs, batch_size=problem.batch, dtype=problem.dtype, random_state=seed,
    )  # fmt: skip
    return model.fit(*problem.parts[:2]).predict


def sklearn(problem: Problem, seed: int) -> Predict:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        problem.sizes[1:-1], alpha=0.0, batch_size=problem.batch, learning_rate_init=LR, max_iter=problem.epochs, random_state=seed,
        tol=0.0, n_iter_no_change=problem.epochs + 1,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # all epochs are run, and it says that they were too few
        return model.fit(*problem.parts[:2]).predict  # type: ignore[no-any-return]


def torch(problem: Problem, seed: int, *, by_hand: bool = False) -> Predict:
    import torch

    torch.manual_seed(seed)
    model = _mlp(torch.nn, problem, seed, torch.from_numpy)
    x, y = map(torch.from_numpy, problem.parts[:2])
    batches: Any
    if by_hand:

        def batches() -> Any:
            order = torch.randperm(len(x))
            for start in range(0, len(x), problem.batch):
                rows = order[start : start + problem.batch]
                yield x[rows], y[rows]
    else:
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), problem.batch, shuffle=True)
        batches = lambda: loader  # noqa: E731
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    _plain_loop(model, torch.nn.CrossEntropyLoss(), optimizer, problem.epochs, batches)

    def predict(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(x)).argmax(dim=1).numpy()  # type: ignore[no-any-return]

    return predict


FITS: dict[str, Callable[[Problem, int], Predict]] = {
    "ours": ours,
    "trainer": trainer,
    "classifier": classifier,
    "torch": torch,
    "torch-by-hand": functools.partial(torch, by_hand=True),
    "sklearn": sklearn,
}
OWN = {"ours": "DataLoader", "trainer": "Trainer", "classifier": "estimator"}  # the ways of this library, by engine


# ----------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class FitRow:
    """One fit, done by all libraries and in all ways that are installed; becomes a row of the table for each way of our own."""

    problem: Problem
    table: str = TABLE

    @property
    def title(self) -> str:
        return self.problem.title

    @property
    def missing(self) -> str:
        """Why it cannot be measured here; empty where it can."""
        needs = self.problem.needs
        return f"{needs.title} is not installed" if needs is not None and not needs.installed else ""

    def measure(self, repeat: int, budget: float, pause: float) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """Return, by engine, the seconds of each fit, and the share of the held-out samples that it got right."""
        fits = {key: fit for key, fit in FITS.items() if ENGINES[key].installed}
        seconds: dict[str, list[float]] = {key: [] for key in fits}
        accuracy: dict[str, list[float]] = {key: [] for key in fits}
        _, _, x_test, y_test = self.problem.parts
        keys = list(fits)
        started = time.perf_counter()
        for seed in range(max(1, repeat)):
            if seed >= ROUNDS and time.perf_counter() - started > budget:
                break
            first = seed % len(keys)
            for key in (*keys[first:], *keys[:first]):
                if pause:
                    time.sleep(pause)
                start = time.perf_counter()
                predict = fits[key](self.problem, seed)
                seconds[key].append(time.perf_counter() - start)
                accuracy[key].append(float(np.mean(predict(x_test) == y_test)))
        return seconds, accuracy


ROWS: Mapping[str, FitRow] = {
    "fit-digits": FitRow(Problem("digits 64-128-64-10", (64, 128, 64, 10), 32, 20, digits, needs=SKLEARN)),
    "fit-digits-f64": FitRow(Problem("digits, float64", (64, 128, 64, 10), 32, 20, digits, "float64", SKLEARN)),
    "fit-made": FitRow(Problem("made 20-100-2", (20, 100, 2), 64, 20, made)),
    "fit-made-f64": FitRow(Problem("made, float64", (20, 100, 2), 64, 20, made, "float64")),
}
