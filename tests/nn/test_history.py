"""The history is plain data: a table, written and read without loss."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from nn import History

NAN = float("nan")


def example() -> History:
    history = History()
    history.append(1, {"loss": 0.1, "val_loss": 1 / 3})
    history.append(2, {"loss": NAN})
    history.append(3, {"loss": float("-inf"), "val_loss": 1e-300, "odd, name": 3})
    history.stopped = "enough"
    return history


def test_rows_and_columns() -> None:
    history = example()
    assert history.epochs == [1, 2, 3]
    assert history["loss"][0] == 0.1
    assert list(history) == ["loss", "val_loss", "odd, name"]
    assert len(history) == 3
    assert "val_loss" in history
    assert "accuracy" not in history
    assert math.isnan(history["val_loss"][1])
    assert history["odd, name"][2] == 3.0
    assert all(math.isnan(value) for value in history["odd, name"][:2])
    assert history.row(0)["loss"] == 0.1


def test_equality_counts_nan_as_equal_to_nan() -> None:
    assert example() == example()
    other = example()
    other.columns["loss"][0] += 1e-16
    assert other != example()
    assert example() != {"loss": [1.0]}


def test_a_missing_column_names_those_that_are_there() -> None:
    with pytest.raises(KeyError, match=r"no column 'acc'.*loss, val_loss, odd, name"):
        example()["acc"]
    with pytest.raises(KeyError, match="none yet"):
        History()["loss"]


def test_csv_reads_back_with_every_digit(tmp_path: Path) -> None:
    history = example()
    history.to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as stream:
        head, *rows = csv.reader(stream)
    assert head == ["epoch", "loss", "val_loss", "odd, name"]
    assert [int(row[0]) for row in rows] == history.epochs
    for i, name in enumerate(history, 1):
        assert [repr(float(row[i])) for row in rows] == [repr(value) for value in history[name]]


def test_json_is_strict_and_reads_back(tmp_path: Path) -> None:
    example().to_json(tmp_path / "h.json")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    json.loads((tmp_path / "h.json").read_text(), parse_constant=refuse)
    assert History.from_json(tmp_path / "h.json") == example()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"epochs": [1], "columns": {"loss": []}}', '{"epochs": [1], "columns": {"a": ["x"]}}']
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "h.json").write_text(text)
    with pytest.raises(ValueError, match="holds no history"):
        History.from_json(tmp_path / "h.json")


def test_repr_is_a_short_table() -> None:
    assert repr(History()) == "History(no epochs)"
    assert repr(example()).splitlines()[0].split() == ["epoch", "loss", "val_loss", "odd,", "name"]
    assert repr(example()).splitlines()[-1] == "stopped: enough"
    long = History()
    for epoch in range(1, 1001):
        long.append(epoch, {"loss": 1 / epoch})
    assert len(repr(long).splitlines()) == 22
    assert repr(long).splitlines()[-1].split() == ["1000", "0.001"]


def test_plot_draws_each_quantity_once(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    history = History()
    for epoch in range(1, 4):
        history.append(
            epoch, {"loss": 1 / epoch, "accuracy": 0.5, "f1": 0.5, "val_loss": 2 / epoch, "val_accuracy": 0.4, "lr": 0.1}
        )
    figure = history.plot()
    assert type(figure) is matplotlib.figure.Figure
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == ["loss", "accuracy", "f1", "lr"]
    assert [len(axes.lines) for axes in shown] == [2, 2, 1, 1]
    assert list(shown[0].lines[1].get_ydata()) == history["val_loss"]
    figure.savefig(tmp_path / "h.png")
    with pytest.raises(ValueError, match="no epochs to draw"):
        History().plot()
