"""scikit-learn estimators: neural networks that work in a Pipeline, a GridSearchCV, a cross-validation.

Needs scikit-learn; is imported by `import nn.sklearn`, or when `nn.sklearn` is first used.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autodiff import Tensor, no_grad

from . import optim
from .loss import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from .models import MLP, Perceptron
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .seeding import Draws
from .trainer import Trainer

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("nn.sklearn needs scikit-learn, 1.6 or later: python -m pip install 'glassgrad[sklearn]'") from error

if TYPE_CHECKING:
    from .history import History

__all__ = ["NeuralClassifier", "NeuralRegressor", "PerceptronClassifier"]

class _Neural(BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """What classifier and regressor share: making the model, training it, using it."""

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        module: Any = None,
        activation: str | Callable[[], Module] = "relu",
        dropout: float = 0.0,
        normalization: str | None = None,
        loss: Callable[[Any, Any], Tensor] | None = None,
        optimizer: str | type[optim.Optimizer] = "Adam",
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        epochs: int = 100,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        callbacks: Iterable[Any] = (),
        dtype: Any = np.float32,
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.module = module
        self.activation = activation
        self.dropout = dropout
        self.normalization = normalization
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    module_: Module
    history_: History
    n_iter_: int
    loss_: float

    def _train(self, x: np.ndarray, target: np.ndarray, outputs: int, task: str, usual_loss: Callable[[], Any]) -> None:
        """Make the model and train it on samples and targets of their final form."""
        name = type(self).__name__
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"{name}: validation_fraction lies from 0 to below 1, got {self.validation_fraction!r}")
        random = check_random_state(self.random_state)
        with Draws(int(random.randint(2**31 - 1))):  # all that is drawn in here depends on random_state alone
            self.module_ = self._made(x.shape[1], outputs, task)
            optimizer = _optimizer_class(name, self.optimizer)(self.module_.parameters(), **self._options())
            loss = copy.deepcopy(self.loss) if self.loss is not None else usual_loss()
            trainer = Trainer(self.module_, loss, optimizer, callbacks=copy.deepcopy(list(self.callbacks)))
            held = None
            if self.validation_fraction:
                order = random.permutation(len(x))
                count = max(1, round(self.validation_fraction * len(x)))
                if count >= len(x):
                    raise ValueError(f"{name}: validation_fraction={self.validation_fraction} of {len(x)} samples leaves none")
                held = (x[order[:count]], target[order[:count]])
                x, target = x[order[count:]], target[order[count:]]
            self.history_ = trainer.fit(
                (x, target),
                self.epochs,
                validation=held,
                batch_size=_batch_size(self.module_, min(self.batch_size, len(x)) if self.batch_size else len(x), len(x)),
                shuffle=self.shuffle,
                progress=None if self.verbose else False,
            )
        self.n_iter_ = len(self.history_["loss"])
        self.loss_ = float(self.history_["loss"][-1])

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"lr": self.lr}
        if self.weight_decay:
            options["weight_decay"] = self.weight_decay
        return options

    def _given(self) -> Any:
        return self.hidden_layer_sizes if self.module is None else self.module

    def _made(self, inputs: int, outputs: int, task: str) -> Module:
        given: Any = self._given()
        if isinstance(given, Module):
            return copy.deepcopy(given)  # a fit begins with the weights that it was given
        if callable(given):
            made = given(inputs, outputs)
            if not isinstance(made, Module):
                raise TypeError(f"{type(self).__name__}: module(inputs, outputs) must return a Module, got {type(made).__name__}")
            return made
        hidden: list[int] = [int(given)] if isinstance(given, (int, np.integer)) else list(given)
        sizes = [inputs, *hidden, outputs]
        return MLP(sizes, self.activation, self.dropout, self.normalization, task=task, dtype=self.dtype)

    def _outputs(self, x: Any) -> np.ndarray:
        """Return what the model says of samples; nothing in it depends on which others are beside them."""
        check_is_fitted(self, "module_")
        x = validate_data(self, x, dtype=[np.float64, np.float32], reset=False)
        modes = [(module, module.training) for module in self.module_.modules()]
        try:
            for module, _ in modes:
                module.training = False
            return _predicted(self.module_, x, self.batch_size or 1024)
        finally:
            for module, training in modes:
                module.training = training


def _batch_size(module: Module, size: int, samples: int) -> int:
    """Return the size, or a little less where a last batch of one sample would be left to batch normalisation."""
    if any(isinstance(part, (BatchNorm1d, BatchNorm2d, BatchNorm3d)) for part in module.modules()):
        while size > 2 and samples % size == 1:
            size -= 1
    return size


def _predicted(module: Module, x: np.ndarray, batch_size: int) -> np.ndarray:
    size = max(batch_size, 256)
    with no_grad():
        return np.concatenate([module(x[start : start + size]).numpy() for start in range(0, len(x), size)])


class NeuralClassifier(ClassifierMixin, _Neural):  # type: ignore[misc]
    """A neural network as a scikit-learn classifier, of two or of many classes.

    hidden_layer_sizes   the widths of the hidden layers
    module               in their place a Module, of which each `fit` trains a copy, or a function (inputs, outputs) that makes
                         one; also taken as the first argument. Its outputs are logits, one for each class (or one in all, of
                         the second of two classes)
    activation, dropout, normalization   of the hidden layers, as in `nn.models.MLP`
    loss                 nn.CrossEntropyLoss() by default
    optimizer            its name in `nn.optim`, or the class
    lr, weight_decay     of the optimizer
    epochs, batch_size, shuffle          how often and how the samples are gone through (where one sample would be left for a
                         last batch, and the module has batch normalisation, batches are a little smaller)
    validation_fraction  share of the samples that is not learned from but measured on, for callbacks such as EarlyStopping
    callbacks            of `nn.callbacks`; each `fit` uses copies
    dtype                of the weights
    random_state         a number for repeatable results, as everywhere in scikit-learn
    verbose              show the progress of training

    classes_   the classes, sorted
    module_    the trained model
    history_   its History;  n_iter_ the number of epochs, loss_ the last loss

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> x, y = load_iris(return_X_y=True)
    >>> classifier = make_pipeline(StandardScaler(), NeuralClassifier((16,), lr=0.01, epochs=30, random_state=0))
    >>> bool(classifier.fit(x, y).score(x, y) > 0.95)
    True
    """

    classes_: np.ndarray

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from samples X (N, features) and their classes y (N,), which may be numbers or texts."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, target = np.unique(y, return_inverse=True)
        target = target.reshape(-1)
        if len(self.classes_) < 2:
            raise ValueError(f"NeuralClassifier: the classes are only one class, {self.classes_.tolist()}")
        if self._says_one_number(X[:1]):
            self._train(X, target.astype(self.dtype), 1, "binary", BCEWithLogitsLoss)
        else:
            self._train(X, target, len(self.classes_), "multiclass", CrossEntropyLoss)
        return self

    def _says_one_number(self, x: np.ndarray) -> bool:
        """Return whether a given module has one logit for two classes."""
        given: Any = self._given()
        if not isinstance(given, Module) or len(self.classes_) != 2:
            return False
        return _predicted(copy.deepcopy(given).eval(), x, 1).ndim == 1

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return how probable each class is: (N, classes), in the order of `classes_`."""
        logits = self._outputs(X).astype(np.float64)
        if logits.ndim == 1:
            logits = np.column_stack([np.zeros(len(logits)), logits])
        if logits.shape[1:] != (len(self.classes_),):
            raise ValueError(
                f"NeuralClassifier: the module has outputs of shape {logits.shape[1:]} a sample, expected {len(self.classes_)} "
                "logits"
            )
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: np.ndarray = p / p.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sample."""
        check_is_fitted(self, "module_")
        predicted: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return predicted


class NeuralRegressor(RegressorMixin, _Neural):  # type: ignore[misc]
    """A neural network as a scikit-learn regressor, of one number or of several.

    Arguments and attributes are those of `NeuralClassifier`; the loss is nn.MSELoss() by default.

    >>> x = np.linspace(-2, 2, 100)[:, None]
    >>> regressor = NeuralRegressor((32,), activation="tanh", lr=0.01, epochs=200, random_state=0)
    >>> bool(regressor.fit(x, np.sin(2 * x[:, 0])).score(x, np.sin(2 * x[:, 0])) > 0.95)
    True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from samples X (N, features) and their numbers y (N,) or (N, outputs)."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        y = y.astype(self.dtype, copy=False)
        self._train(X, y, 1 if y.ndim == 1 else y.shape[1], "regression", MSELoss)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted numbers (N,) or (N, outputs)."""
        return self._outputs(X).astype(np.float64)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class PerceptronClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Rosenblatt's perceptron as a scikit-learn classifier; of many classes one for each, against all others.

    epochs        how often to go through the samples, at most; it ends where no sample is wrong. If it does not come to that,
                  the best weights of all epochs are kept (the pocket algorithm)
    lr            how far a correction goes
    shuffle       a new order in each epoch
    random_state  a number for repeatable results

    classes_                the classes, sorted
    perceptrons_            the neurons; reports_ what each says of its learning (`nn.models.Learning`)
    coef_, intercept_       their weights and biases

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> classifier = PerceptronClassifier().fit(x, y == 0)
    >>> classifier.score(x, y == 0)
    1.0
    """

    classes_: np.ndarray

    def __init__(self, *, epochs: int = 100, lr: float = 1.0, shuffle: bool = True, random_state: Any = None):
        self.epochs = epochs
        self.lr = lr
        self.shuffle = shuffle
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from samples X (N, features) and their classes y (N,); warns where no plane divides them."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"PerceptronClassifier: the classes are only one class, {self.classes_.tolist()}")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        told_apart = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        self.perceptrons_, self.reports_ = [], []
        for one in told_apart:
            neuron = Perceptron(X.shape[1], dtype=np.float64)
            order = np.random.default_rng(seed)
            report = neuron.fit(X, y == one, self.epochs, self.lr, shuffle=self.shuffle, pocket=True, generator=order)
            self.perceptrons_.append(neuron)
            self.reports_.append(report)
        self.coef_ = np.array([neuron.weight.numpy() for neuron in self.perceptrons_])
        self.intercept_ = np.array([neuron.bias.item() for neuron in self.perceptrons_])
        self.n_iter_ = max(report.epochs for report in self.reports_)
        for one, report in zip(told_apart, self.reports_):
            if not report.converged:
                warnings.warn(f"PerceptronClassifier, class {one} against the others: {report}", ConvergenceWarning, stacklevel=2)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the weighted sums: (N,) of two classes, else (N, classes)."""
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        z: np.ndarray = X @ self.coef_.T + self.intercept_
        return z[:, 0] if len(self.classes_) == 2 else z

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each sample: whose neuron fires the most."""
        z = self.decision_function(X)
        predicted: np.ndarray = self.classes_[(z > 0).astype(int) if z.ndim == 1 else z.argmax(axis=1)]
        return predicted


def _optimizer_class(name: str, given: str | type[optim.Optimizer]) -> Any:
    if isinstance(given, type) and issubclass(given, optim.Optimizer):
        return given
    known = {key.lower(): value for key, value in vars(optim).items() if isinstance(value, type) and key != "Optimizer"}
    if not isinstance(given, str) or given.lower() not in known:
        raise ValueError(f"{name}: optimizer is the name or class of one of nn.optim: {', '.join(sorted(known))}; got {given!r}")
    return known[given.lower()]
