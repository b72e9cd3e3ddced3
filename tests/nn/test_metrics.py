"""Metrics: scikit-learn's numbers, their definitions, and what they refuse."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autodiff as ad
from nn import metrics

RNG = np.random.default_rng(0)
LABELS = st.integers(0, 3)
PAIRS = st.integers(1, 12).flatmap(lambda n: st.tuples(hnp.arrays(int, n, elements=LABELS), hnp.arrays(int, n, elements=LABELS)))
AVERAGES = ("macro", "micro", "weighted", None)


@pytest.fixture(scope="module")
def theirs() -> Any:
    return pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")


def quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@settings(max_examples=40, deadline=None)
@given(pair=PAIRS)
def test_counts_of_classes_are_those_of_scikit_learn(pair: tuple[np.ndarray, np.ndarray], theirs: Any) -> None:
    predicted, truth = pair
    assert metrics.accuracy(predicted, truth) == pytest.approx(theirs.accuracy_score(truth, predicted))
    np.testing.assert_array_equal(metrics.confusion_matrix(predicted, truth), quietly(theirs.confusion_matrix, truth, predicted))
    for normalize in ("true", "pred", "all"):
        np.testing.assert_allclose(
            metrics.confusion_matrix(predicted, truth, normalize=normalize),
            quietly(theirs.confusion_matrix, truth, predicted, normalize=normalize),
        )
    for name in ("precision", "recall", "f1_score"):
        reference = getattr(theirs, name if name == "f1_score" else name + "_score")
        for average in AVERAGES:
            for zero in (0.0, 1.0):
                ours = getattr(metrics, name)(predicted, truth, average=average, zero_division=zero)
                expected = reference(truth, predicted, average=average, zero_division=zero)
                np.testing.assert_allclose(ours, expected, err_msg=f"{name} {average} {zero}")


@settings(max_examples=50, deadline=None)
@given(
    pair=st.integers(1, 8).flatmap(lambda n: st.tuples(*(hnp.arrays(int, (n, 3), elements=st.integers(0, 1)) for _ in range(2))))
)
def test_labels_are_those_of_scikit_learn(pair: tuple[np.ndarray, np.ndarray], theirs: Any) -> None:
    predicted, truth = pair
    assert metrics.accuracy(predicted, truth) == pytest.approx(theirs.accuracy_score(truth, predicted))
    assert metrics.accuracy(predicted * 0.8 + 0.1, truth) == metrics.accuracy(predicted, truth)
    for name in ("precision", "recall", "f1_score"):
        reference = getattr(theirs, name if name == "f1_score" else name + "_score")
        for average in AVERAGES:
            ours = getattr(metrics, name)(predicted, truth, average=average)
            np.testing.assert_allclose(ours, reference(truth, predicted, average=average, zero_division=0), err_msg=name)


SCORES = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        hnp.arrays(float, n, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(-5, 5)),
        hnp.arrays(int, n, elements=st.integers(0, 1)),
    )
)


@settings(max_examples=200, deadline=None)
@given(pair=SCORES)
def test_areas_are_those_of_scikit_learn_and_ties_count_half(pair: tuple[np.ndarray, np.ndarray], theirs: Any) -> None:
    scores, truth = pair
    if 0 < truth.sum() < len(truth):
        assert metrics.roc_auc(scores, truth) == pytest.approx(theirs.roc_auc_score(truth, scores))
        higher = np.subtract.outer(scores[truth == 1], scores[truth == 0])
        assert metrics.roc_auc(scores, truth) == pytest.approx(np.mean((higher > 0) + 0.5 * (higher == 0)))
    if truth.any():
        assert metrics.average_precision(scores, truth) == pytest.approx(theirs.average_precision_score(truth, scores))


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float32])
def test_areas_of_scores_of_any_dtype(dtype: Any) -> None:
    scores = np.array([0, 1, 1, 0] if dtype is bool else [0, 255, 3, 7]).astype(dtype)
    for score in (metrics.average_precision, metrics.roc_auc):
        assert score(scores, [0, 1, 0, 1]) == score(scores.astype(float), [0, 1, 0, 1])


@pytest.mark.parametrize("average", ["macro", "weighted", None])
def test_areas_of_many_classes_and_of_labels(average: str | None, theirs: Any) -> None:
    truth = np.arange(30) % 3
    p = RNG.dirichlet(np.ones(3), 30)
    expected = theirs.roc_auc_score(truth, p, multi_class="ovr", average=average)
    np.testing.assert_allclose(metrics.roc_auc(p, truth, average=average), expected)
    expected = theirs.average_precision_score(truth, p, average=average)
    np.testing.assert_allclose(metrics.average_precision(p, truth, average=average), expected)
    labels, scores = RNG.integers(0, 2, (20, 3)), RNG.standard_normal((20, 3))
    np.testing.assert_allclose(metrics.roc_auc(scores, labels, average), theirs.roc_auc_score(labels, scores, average=average))
    np.testing.assert_allclose(
        metrics.average_precision(scores, labels, average), theirs.average_precision_score(labels, scores, average=average)
    )
    two = RNG.dirichlet(np.ones(2), 30)
    assert metrics.roc_auc(two, truth % 2) == pytest.approx(theirs.roc_auc_score(truth % 2, two[:, 1]))


@pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
def test_top_k_is_that_of_scikit_learn(k: int, theirs: Any) -> None:
    scores, truth = RNG.integers(0, 4, (40, 5)) / 4, RNG.integers(0, 5, 40)  # with ties
    expected = quietly(theirs.top_k_accuracy_score, truth, scores, k=k, labels=range(5))
    assert metrics.top_k_accuracy(scores, truth, k=k) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(20,), (20, 3)])
def test_numbers_are_those_of_scikit_learn(shape: tuple[int, ...], theirs: Any) -> None:
    predicted, truth = RNG.standard_normal(shape), RNG.standard_normal(shape)
    assert metrics.mean_absolute_error(predicted, truth) == pytest.approx(theirs.mean_absolute_error(truth, predicted))
    root = np.mean(np.sqrt(theirs.mean_squared_error(truth, predicted, multioutput="raw_values")))
    assert metrics.root_mean_squared_error(predicted, truth) == pytest.approx(root)
    assert metrics.r2_score(predicted, truth) == pytest.approx(theirs.r2_score(truth, predicted))
    constant = np.ones(shape)
    for guess in (constant, constant + 1, predicted):
        assert metrics.r2_score(guess, constant) == theirs.r2_score(constant, guess)


def test_perplexity_is_exp_of_the_cross_entropy() -> None:
    from nn.functional import cross_entropy

    logits, truth = RNG.standard_normal((6, 5, 4)), RNG.integers(0, 5, (6, 4))
    truth[0] = -100
    assert metrics.perplexity(logits, truth) == pytest.approx(np.exp(cross_entropy(logits, truth).item()))
    assert metrics.perplexity(logits * 1e4, truth) == np.inf
    assert metrics.perplexity(np.zeros((3, 7), np.float32), [0, 1, 2]) == pytest.approx(7)


def test_the_output_of_a_model_is_taken_as_it_comes() -> None:
    logits, truth = RNG.standard_normal((10, 3)), RNG.integers(0, 3, 10)
    expected = float((logits.argmax(1) == truth).mean())
    tracked = ad.Tensor(logits, requires_grad=True)
    assert metrics.accuracy(tracked, ad.Tensor(truth)) == metrics.accuracy(logits.tolist(), truth.tolist()) == expected
    assert metrics.confusion_matrix(logits, np.zeros(10, int)).shape == (3, 3)
    binary = RNG.standard_normal(10)
    assert metrics.accuracy(binary, truth % 2 == 1, threshold=0) == float(((binary > 0) == truth % 2).mean())
    probabilities = 1 / (1 + np.exp(-binary))
    assert metrics.accuracy(probabilities, (truth % 2).astype(float)) == metrics.accuracy(binary, truth % 2, threshold=0)
    images = RNG.standard_normal((2, 3, 4))
    assert metrics.accuracy(images, images.argmax(1)) == 1.0


def test_rows_and_columns_can_be_chosen() -> None:
    found = metrics.confusion_matrix([0, 2, 1], [0, 1, 1], labels=[2, 1, 0])
    assert found.tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert metrics.confusion_matrix([0, 5, 1], [0, 1, 1], labels=[1, 7]).tolist() == [[1, 0], [0, 0]]


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: metrics.accuracy(np.zeros((5, 1)), np.zeros(5)), ValueError, r"write input.reshape\(\(5,\)\)"),
    (lambda: metrics.accuracy(np.zeros(4), np.zeros(5)), ValueError, r"an input of shape \(4,\) and a target of shape \(5,\)"),
    (lambda: metrics.accuracy([-1.0, 2.0], [0, 1]), ValueError, "of logits, say threshold=0"),
    (lambda: metrics.accuracy([0.0, 2.0], [0, 2]), ValueError, r"of classes, write input.astype\(int\)"),
    (lambda: metrics.accuracy([0, 1], [0.3, 0.7]), ValueError, "the model's output comes first, then the target"),
    (lambda: metrics.accuracy([0, 1], [0, np.inf]), ValueError, "the target must be classes, .* got e.g. inf"),
    (lambda: metrics.accuracy([], []), ValueError, "there are no samples"),
    (lambda: metrics.accuracy([[1.0, 2.0]], [2]), ValueError, "the target 2 is no class: the classes are 0 to 1"),
    (lambda: metrics.accuracy(["a"], ["a"]), TypeError, "expected numbers"),
    (lambda: metrics.f1_score([0, 2], [0, 1]), ValueError, "say average='macro'"),
    (lambda: metrics.f1_score([0, 1], [0, 1], average="mean"), ValueError, "average is 'binary'"),
    (lambda: metrics.precision([[0, 1]], [[0, 1]]), ValueError, "of several labels say average"),
    (lambda: metrics.confusion_matrix([0], [0], normalize="rows"), ValueError, "normalize is 'true'"),
    (lambda: metrics.confusion_matrix([0], [0], labels=[]), ValueError, "labels is empty; leave it out"),
    (lambda: metrics.roc_auc([0.1, 0.2], [1, 1]), ValueError, "all 2 samples are of one class"),
    (lambda: metrics.roc_auc([0.1, np.nan], [1, 0]), ValueError, "nan or infinity"),
    (lambda: metrics.roc_auc(np.ones((4, 3)), [0, 1, 2, 0]), ValueError, "need probabilities, which sum to 1"),
    (lambda: metrics.average_precision([0.1], [0]), ValueError, "no sample is positive"),
    (lambda: metrics.top_k_accuracy([[0.1, 0.2]], [0], k=0), ValueError, "k must be a positive integer"),
    (lambda: metrics.top_k_accuracy([0.1, 0.2], [0, 1]), ValueError, r"expected scores \(N, C\) and classes \(N,\)"),
    (lambda: metrics.mean_absolute_error(np.zeros((3, 1)), np.zeros(3)), ValueError, "expected numbers of one shape"),
    (lambda: metrics.mean_absolute_error([], []), ValueError, "there are no samples"),
    (lambda: metrics.r2_score([1.0], [1.0]), ValueError, "one sample has no variance"),
    (lambda: metrics.perplexity([[1.0, 2.0]], [-100]), ValueError, "no target counts"),
    (lambda: metrics.perplexity([[1.0, 2.0]], [3]), ValueError, "the target 3 is no class"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_does_not_fit_is_refused_with_the_cure(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
