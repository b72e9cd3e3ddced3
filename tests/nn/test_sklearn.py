"""scikit-learn estimators: its own checks, pipelines and searches, modules of one's own, repeatable results."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import nn

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="they are scikit-learn's estimators")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_iris, make_moons  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from nn.sklearn import NeuralClassifier, NeuralRegressor, PerceptronClassifier  # noqa: E402

X, Y = make_moons(200, noise=0.15, random_state=0)
QUICK: dict[str, Any] = {"lr": 0.02, "epochs": 40, "random_state": 0}


@pytest.mark.slow
@pytest.mark.parametrize("make", [NeuralClassifier, NeuralRegressor, PerceptronClassifier])
@pytest.mark.filterwarnings("ignore")  # the checks provoke warnings of scikit-learn and of ours
def test_scikit_learns_own_checks_pass(make: Any) -> None:
    results = check_estimator(make(), on_fail=None)
    failed = {r["check_name"]: str(r["exception"]) for r in results if r["status"] not in ("passed", "skipped")}
    assert not failed
    assert sum(r["status"] == "passed" for r in results) > 45


def test_they_work_in_a_pipeline_a_search_and_a_cross_validation() -> None:
    model = make_pipeline(StandardScaler(), NeuralClassifier((16,), **QUICK))
    assert cross_val_score(model, X, Y, cv=2).mean() > 0.9
    choices = {"neuralclassifier__hidden_layer_sizes": [(4,), (16, 8)], "neuralclassifier__activation": ["tanh", "relu"]}
    grid = GridSearchCV(model, choices, cv=2)
    grid.fit(X, Y)
    assert grid.best_score_ > 0.85
    assert grid.score(X, Y) > 0.85


def test_a_search_runs_in_other_processes() -> None:
    grid = GridSearchCV(NeuralClassifier((8,), **QUICK), {"lr": [0.01, 0.05]}, cv=2, n_jobs=2)
    grid.fit(X, Y)
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()


def test_the_same_random_state_gives_the_same_model_and_leaves_the_default_generator_alone() -> None:
    nn.manual_seed(3)
    expected = nn.seeding.generator_or_default(None).random()
    nn.manual_seed(3)
    first, second = (NeuralClassifier((8,), dropout=0.2, epochs=3, random_state=5).fit(X, Y) for _ in range(2))
    assert nn.seeding.generator_or_default(None).random() == expected
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    other = NeuralClassifier((8,), dropout=0.2, epochs=3, random_state=6).fit(X, Y)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_modules_of_ones_own() -> None:
    module = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    before = {name: value.tolist() for name, value in module.state_dict().items()}
    classifier = NeuralClassifier(module, **QUICK).fit(X, Y)
    assert classifier.score(X, Y) > 0.85
    assert {name: value.tolist() for name, value in module.state_dict().items()} == before
    assert clone(classifier).fit(X, Y).score(X, Y) == classifier.score(X, Y)

    made = NeuralClassifier(module=lambda inputs, outputs: nn.Linear(inputs, outputs), **QUICK).fit(X, Y)
    assert type(made.module_) is nn.Linear
    assert made.module_.weight.shape == (2, 2)

    one = nn.models.MLP([2, 8, 1], task="binary")
    binary = NeuralClassifier(one, **QUICK).fit(X, np.where(Y, "yes", "no"))
    assert set(binary.predict(X)) == {"yes", "no"}
    assert binary.score(X, np.where(Y, "yes", "no")) > 0.85
    np.testing.assert_allclose(binary.predict_proba(X).sum(axis=1), 1)

    with pytest.raises(ValueError, match=r"outputs of shape \(3,\) a sample, expected 2 logits"):
        NeuralClassifier(nn.Linear(2, 3), epochs=1).fit(X, Y).predict(X)
    with pytest.raises(TypeError, match=r"module\(inputs, outputs\) must return a Module, got int"):
        NeuralClassifier(lambda inputs, outputs: 3).fit(X, Y)


def test_texts_and_many_classes() -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    classifier = NeuralClassifier((16,), **QUICK).fit(x, names)
    assert classifier.score(x, names) > 0.95
    assert classifier.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert classifier.predict_proba(x).shape == (150, 3)
    assert classifier.n_iter_ == 40
    assert classifier.loss_ == classifier.history_["loss"][-1]


def test_regression_of_one_number_and_of_several() -> None:
    x = np.linspace(-2, 2, 120)[:, None]
    both = np.column_stack([np.sin(2 * x[:, 0]), x[:, 0] ** 2])
    options: dict[str, Any] = {"activation": "tanh", "lr": 0.02, "epochs": 150, "random_state": 0}
    one = NeuralRegressor((32,), **options).fit(x, both[:, 0])
    assert one.predict(x).shape == (120,)
    assert one.score(x, both[:, 0]) > 0.95
    two = NeuralRegressor((32,), **options).fit(x, both)
    assert two.predict(x).shape == (120, 2)
    assert two.score(x, both) > 0.95
    robust = NeuralRegressor((32,), loss=nn.SmoothL1Loss(), optimizer=nn.optim.AdamW, weight_decay=1e-4, **options)
    assert robust.fit(x, both[:, 0]).score(x, both[:, 0]) > 0.9
    with pytest.warns(DataConversionWarning):
        one.fit(x, both[:, :1])


def test_early_stopping_on_samples_held_out() -> None:
    stopping = nn.callbacks.EarlyStopping(patience=2, monitor="val_loss")
    classifier = NeuralClassifier((32,), lr=0.05, epochs=300, validation_fraction=0.25, callbacks=[stopping], random_state=0)
    classifier.fit(X, Y)
    assert classifier.n_iter_ < 300
    assert "val_loss" in classifier.history_.columns
    with pytest.raises(ValueError, match="validation_fraction lies from 0 to below 1"):
        NeuralClassifier(validation_fraction=1.0).fit(X, Y)


@pytest.mark.parametrize("samples", [33, 63, 65])
def test_no_batch_of_one_sample_is_left_to_batch_normalisation(samples: int) -> None:
    model = NeuralClassifier((4,), normalization="batch", epochs=2, batch_size=32, random_state=0).fit(X[:samples], Y[:samples])
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_fitted_model_survives_a_pickle() -> None:
    classifier = NeuralClassifier((8,), **QUICK).fit(X, Y)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict_proba(X), classifier.predict_proba(X))


def test_the_perceptron_is_rosenblatts_and_says_where_it_fails() -> None:
    x, y = load_iris(return_X_y=True)
    setosa = PerceptronClassifier(random_state=0).fit(x, y == 0)
    assert setosa.score(x, y == 0) == 1.0
    assert setosa.reports_[0].converged
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        three = PerceptronClassifier(random_state=0).fit(x, y)
    assert [str(warning.message).partition(":")[0] for warning in said] == ["PerceptronClassifier, class 1 against the others",
        "PerceptronClassifier, class 2 against the others"]  # fmt: skip
    assert {warning.category for warning in said} == {ConvergenceWarning}
    assert [report.converged for report in three.reports_] == [True, False, False]
    assert three.coef_.shape == (3, 4)
    assert three.score(x, y) > 0.8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        again = PerceptronClassifier(random_state=0).fit(x, y)
    np.testing.assert_array_equal(again.coef_, three.coef_)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"only one class, \[0\]"):
        NeuralClassifier().fit(X, np.zeros(200, int))
    with pytest.raises(ValueError, match=r"optimizer is the name or class of one of nn.optim: .*adam.*; got 'adem'"):
        NeuralClassifier(optimizer="adem").fit(X, Y)
    with pytest.raises(ValueError, match="unknown activation 'rely'"):
        NeuralClassifier(activation="rely").fit(X, Y)
    with pytest.raises(NotFittedError):
        NeuralClassifier().predict(X)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        NeuralClassifier().fit(X, np.column_stack([Y, 1 - Y]))


def test_without_scikit_learn_one_line_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import nn\n"
        "try:\n    nn.sklearn\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "nn.sklearn needs scikit-learn, 1.6 or later: python -m pip install 'glassgrad[sklearn]'\n"
