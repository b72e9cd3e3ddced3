"""The benchmarks still run: all libraries compute the same in every row, and the table holds what was measured.

Takes no times that matter: how fast the library is says `python -m tests.benchmarks`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks import importing, installed, launching, memory, report, targets, timing, training
from tests.benchmarks.engines import ENGINES, OURS, PYTORCH
from tests.benchmarks.report import Measurement
from tests.benchmarks.rows import TIMED
from tests.benchmarks.work import Disagreement, Row, Work, check_equal

PAIRS = [
    # the peers' time for filling grows with the square of its rows
    pytest.param(name, key, marks=[pytest.mark.slow] if name == "filling" else [])
    for name, row in TIMED.items()
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
    works = TIMED[name].works({OURS.key, key})
    assert [work.engine for work in works] == [OURS.key, key]
    check_equal(TIMED[name], works)


@pytest.mark.parametrize("name", ["chain", "scalar", "mlp-small"])
def test_a_cheap_row_is_timed(name: str) -> None:
    times = timing.interleaved(TIMED[name].works({OURS.key}), repeat=1, budget=0.0, pause=0.0)
    assert len(times[OURS.key]) == 1
    assert times[OURS.key][0] > 0


@pytest.mark.parametrize("name", list(TIMED))
def test_every_library_is_in_a_row_or_a_reason_is_given(name: str) -> None:
    row = TIMED[name]
    columns = {key for key in ENGINES if key not in (OURS.key, "torch-fused")}
    assert columns <= set(row.makers) | set(row.why_not)
    assert not set(row.makers) & set(row.why_not)


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
    row = Row("a row", tolerance=1e-4, makers={}, why_not={})
    ours = _work("ours", loss=1.0, gradient=np.array([1.0, 2.0]))
    check_equal(row, [ours, _work("torch", loss=1.00001, gradient=np.array([1.0, 2.0]))])
    with pytest.raises(Disagreement, match=message):
        check_equal(row, [ours, _work("torch", **theirs)])


def test_an_answer_of_zeros_is_refused() -> None:
    row = Row("a row", tolerance=1e-4, makers={}, why_not={})
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
    assert targets.verdicts("chain", {"torch": 2.5, "hips": 3.9}, 1e-3) == [
        "PyTorch 2.0: reached",
        "HIPS 4.0: MISSED",
        "MyGrad 4.0: not measured",
    ]
    assert targets.verdicts("memory", {"torch": 0.9}, 1e6) == ["at most 1.2x: reached"]
    assert targets.verdicts("memory", {"torch": 0.8}, 1e6) == ["at most 1.2x: MISSED"]
    assert targets.verdicts("import", {}, 0.2) == ["under 0.15 s: MISSED"]
    assert targets.verdicts("size", {}, 1.0) == []


def test_the_table_fits_120_columns() -> None:
    samples = {"ours": [1e-3, 1e-3], "torch": [2e-3, 2.2e-3], "hips": [9e-3, 9e-3], "mygrad": [0.9, 0.8]}
    found = [Measurement(name, row.title, 1, "s", samples, row.why_not) for name, row in TIMED.items()]
    found.append(Measurement("memory", memory.TITLE, 2, "B", {"ours": [5e7], "torch": [4e7]}, memory.WHY_NOT, "sampled"))
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
    text = "\n".join([report.heading(about, (0.1, 1.2)), report.table(found), report.notes(found)])
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
