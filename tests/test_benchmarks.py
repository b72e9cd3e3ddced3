"""The benchmarks still run: all libraries compute the same in every row, and the table holds what was measured.

Takes no times that matter: how fast the library is says `python -m tests.benchmarks`.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import fitting, importing, installed, launching, memory, report, targets, timing, training
from tests.benchmarks.engines import ENGINES, OURS, PYTORCH
from tests.benchmarks.report import Measurement
from tests.benchmarks.rows import STEPS
from tests.benchmarks.work import Disagreement, Row, Work, check_equal

PAIRS = [
    # the peers' time for filling grows with the square of its rows
    pytest.param(name, key, marks=[pytest.mark.slow] if name == "filling" else [])
    for name, row in STEPS.items()
    for key in row.makers
    if key != OURS.key
]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch's threads wait for one another, which takes long where other tests keep the cores busy."""
    if not PYTORCH.installed:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("name", "key"), PAIRS)
def test_libraries_compute_the_same(name: str, key: str) -> None:
    pytest.importorskip(ENGINES[key].module, reason="this library is compared only where it is installed")
    works = STEPS[name].works({OURS.key, key})
    assert [work.engine for work in works] == [OURS.key, key]
    check_equal(STEPS[name], works)


@pytest.mark.parametrize("name", ["chain", "scalar", "mlp-small", "step-adam-small"])
def test_a_cheap_row_is_timed(name: str) -> None:
    times = timing.interleaved(STEPS[name].works({OURS.key}), repeat=1, budget=0.0, pause=0.0)
    assert len(times[OURS.key]) == 1
    assert times[OURS.key][0] > 0


@pytest.mark.parametrize("name", list(STEPS))
def test_every_column_of_a_table_has_a_number_or_a_reason(name: str) -> None:
    row = STEPS[name]
    columns = {key for other in STEPS.values() if other.table == row.table for key in other.makers}
    assert columns == set(row.makers) | set(row.why_not)
    assert not set(row.makers) & set(row.why_not)


PROBLEM = fitting.Problem("made", (20, 16, 2), 32, 15, fitting.made)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("key", list(fitting.FITS))
def test_every_way_to_fit_learns(key: str) -> None:
    pytest.importorskip(ENGINES[key].module, reason="this library is compared only where it is installed")
    _, _, x, y = PROBLEM.parts
    predicted = fitting.FITS[key](PROBLEM, 0)(x)
    assert predicted.shape == y.shape
    assert np.mean(predicted == y) > 0.75  # 0.5 is chance, 0.9 what the noise leaves


def test_a_fit_is_measured_in_all_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(problem: fitting.Problem, seed: int, right: float) -> fitting.Predict:
        return lambda x: np.where(np.arange(len(x)) < right * len(x), problem.parts[3], 1 - problem.parts[3])

    shares = {"ours": 1.0, "trainer": 0.5, "sklearn": 0.75}
    monkeypatch.setattr(fitting, "FITS", {key: lambda p, seed, r=right: fit(p, seed, r) for key, right in shares.items()})
    monkeypatch.setattr(fitting.Engine, "installed", True)
    seconds, accuracies = fitting.FitRow(PROBLEM).measure(repeat=4, budget=60.0, pause=0.0)
    assert {key: len(values) for key, values in seconds.items()} == dict.fromkeys(shares, 4)
    assert accuracies == {key: [right] * 4 for key, right in shares.items()}
    first, second = command._measurements("fit-made", 1, seconds, accuracies)
    assert first.title == "made 20-100-2, DataLoader"
    assert second.title == "made 20-100-2, Trainer"
    assert second.samples == {"ours": seconds["trainer"], "sklearn": seconds["sklearn"]}
    assert second.accuracies == {"ours": [0.5] * 4, "sklearn": [0.75] * 4}
    assert first.verdicts[-1] == "as accurate: reached"
    assert second.verdicts[-1] == "as accurate: MISSED"
    text = report.table([first])
    assert "100.0 ±0.0 %" in text
    assert "75.0 ±0.0 %" in text


def test_data_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(fitting.Engine, "installed", False)
    assert command._left_out("fit-digits")
    assert capsys.readouterr().err == "digits 64-128-64-10: left out, scikit-learn is not installed\n"
    assert not command._left_out("fit-made")


def test_rows_are_chosen_by_name_or_pattern() -> None:
    assert command._rows("mlp-small") == ("mlp-small",)
    assert command._rows("memory,chain") == ("chain", "memory")
    assert command._rows("step-*-large") == tuple(f"step-{name}-large" for name in ("sgd", "adam", "adamw", "rmsprop"))
    with pytest.raises(argparse.ArgumentTypeError, match="no row is called nothing"):
        command._rows("chain,nothing")


def test_accuracy_within_noise_is_equal() -> None:
    target = targets.AsAccurate("sklearn")

    def reached(ours: list[float], theirs: list[float]) -> bool | None:
        return target.reached(targets.Found(1.0, {}, {"ours": ours, "sklearn": theirs}))

    assert reached([0.96, 0.98], [0.97, 0.99])
    assert not reached([0.90, 0.91], [0.97, 0.98])
    assert target.reached(targets.Found(1.0, {}, {"ours": [0.9]})) is None


def _work(engine: str, **answer: Any) -> Work:
    return Work(engine, lambda: None, lambda: answer)


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ({"loss": 1.0, "gradient": np.array([1.0, 2.001])}, "gradient of PyTorch differs by 0.001 where the largest is 2"),
        ({"loss": np.nan, "gradient": np.array([1.0, 2.0])}, "loss of PyTorch differs by nan"),
        ({"loss": 1.0, "gradient": np.array([[1.0, 2.0]])}, r"gradient has shape \(2,\) here, \(1, 2\) in PyTorch"),
        ({"loss": 1.0}, "PyTorch reports \\['loss'\\]"),
    ],
)
def test_a_difference_is_reported(theirs: dict[str, Any], message: str) -> None:
    row = Row("a table", "a row", tolerance=1e-4, makers={}, why_not={})
    ours = _work("ours", loss=1.0, gradient=np.array([1.0, 2.0]))
    check_equal(row, [ours, _work("torch", loss=1.00001, gradient=np.array([1.0, 2.0]))])
    with pytest.raises(Disagreement, match=message):
        check_equal(row, [ours, _work("torch", **theirs)])


def test_an_answer_of_zeros_is_refused() -> None:
    row = Row("a table", "a row", tolerance=1e-4, makers={}, why_not={})
    with pytest.raises(Disagreement, match="gradient"):
        check_equal(row, [_work("ours", gradient=np.zeros(2)), _work("torch", gradient=np.zeros(2))])


def test_every_library_takes_its_turn_in_every_round() -> None:
    turns: list[str] = []
    works = [Work(key, lambda key=key: turns.append(key), dict) for key in ("ours", "torch")]  # type: ignore[misc]
    times = timing.interleaved(works, repeat=3, budget=60.0, pause=0.0)
    assert {key: len(values) for key, values in times.items()} == {"ours": 3, "torch": 3}
    changes = sum(a != b for a, b in itertools.pairwise(turns))
    assert changes == 5  # ours torch to calibrate, then ours torch | torch ours | ours torch


def test_ratio_is_taken_within_a_round() -> None:
    slow_then_fast = timing.ratio([20.0, 2.0, 4.0], [10.0, 1.0, 1.0])
    assert slow_then_fast.median == 2.0
    assert slow_then_fast.spread == pytest.approx(0.5)


_STEP_OF_64_MIB = """
import json, numpy as np
from tests.benchmarks import memory
def step():
    return np.ones(64 * 2**20, np.uint8).sum()
peak, how = memory.peak_of(step)
print(json.dumps([peak, memory._sampled(step) - memory._resident("VmRSS")]))
"""


def test_memory_of_a_step_is_seen() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("resident sizes are read from /proc, which this system does not have")
    peak, sampled = launching.python("-c", _STEP_OF_64_MIB, threads=1)
    assert peak == pytest.approx(64 * 2**20, rel=0.1)
    assert sampled == pytest.approx(64 * 2**20, rel=0.1)


def test_installed_size_is_that_of_the_packages() -> None:
    bytes_ = installed.measure()[OURS.key][0]
    assert bytes_ > sum(path.stat().st_size for path in (launching.ROOT / "autodiff").glob("*.py"))


@pytest.mark.slow
def test_import_time_is_measured_in_fresh_processes() -> None:
    found = importing.measure(1)
    assert len(found[OURS.key]) == 1
    assert found[OURS.key][0] > 0


def test_targets_say_reached_and_missed() -> None:
    def verdicts(row: str, ratios: dict[str, float], ours: float) -> list[str]:
        return targets.verdicts(row, targets.Found(ours, ratios, {}))

    assert verdicts("chain", {"torch": 2.5, "hips": 3.9}, 1e-3) == [
        "PyTorch 2.0: reached",
        "HIPS 4.0: MISSED",
        "MyGrad 4.0: not measured",
    ]
    assert verdicts("memory", {"torch": 0.9}, 1e6) == ["at most 1.2x: reached"]
    assert verdicts("memory", {"torch": 0.8}, 1e6) == ["at most 1.2x: MISSED"]
    assert verdicts("import", {}, 0.2) == ["under 0.15 s: MISSED"]
    assert verdicts("size", {}, 1.0) == []


def test_the_tables_fit_120_columns() -> None:
    samples = {"ours": [1e-3, 1e-3], "torch": [2e-3, 2.2e-3], "hips": [9e-3, 9e-3], "mygrad": [0.9, 0.8]}
    found = [Measurement(name, row.table, row.title, 1, "s", samples, row.why_not) for name, row in STEPS.items()]
    for name in fitting.ROWS:
        seconds, accuracies = ({key: list(pair) for key in fitting.FITS} for pair in ((1.0, 1.2), (0.7, 0.75)))
        found += command._measurements(name, 1, seconds, accuracies)
    peak = {"ours": [5e7], "torch": [4e7]}
    found.append(Measurement("memory", "Memory", memory.TITLE, 2, "B", peak, memory.WHY_NOT, "sampled"))
    about = {
        1: {
            "processor": "A processor",
            "machine": "x86_64",
            "cores": 2,
            "python": "3.11.0",
            "numpy": "2.4.0",
            "blas": "openblas",
            "threads": "1",
            "versions": {"this library": "0.1.0"},
        }
    }
    text = "\n".join([report.heading(about, (0.1, 1.2)), *report.tables(found), report.notes(found)])
    assert max(map(len, text.splitlines())) <= report.WIDTH
    assert "BUSY MACHINE" not in text
    assert "BUSY MACHINE" in report.heading(about, (0.1, 5.0))
    assert "1.00 ms  2.10 ±0.05" in text
    assert "at most 1.2x: MISSED" in text
    assert "BLAS is limited to 1" in text
    assert "Peak memory of the large MLP: sampled." in text
    assert json.loads(json.dumps([one.as_json() for one in found]))[0]["row"] == "chain"


def test_the_same_weights_and_data_every_time() -> None:
    task = training.TASKS["mlp-small"]
    np.testing.assert_equal(task.weights(), task.weights())
    np.testing.assert_equal(task.batches(), task.batches())
