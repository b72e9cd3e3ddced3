"""`History`: the numbers of a training, epoch by epoch, as plain data.

Knows tables, files and a picture of them. Knows nothing of how a model is trained.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from .atomic import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


class History:
    """A table with a row for each epoch: what `Trainer.fit` returns.

    epochs   the numbers of the epochs: 1, 2, ...
    columns  a list for each name: "loss", the metrics, with "val_" before it what was measured on the validation data
    stopped  why the training ended before its last epoch; None where it did not

    A number that an epoch does not have is nan.

    >>> history = History()
    >>> history.append(1, {"loss": 0.5, "val_loss": 0.7})
    >>> history.append(2, {"loss": 0.25, "val_loss": 0.6})
    >>> history["loss"]
    [0.5, 0.25]
    >>> history
    epoch  loss  val_loss
        1   0.5       0.7
        2  0.25       0.6
    """

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.columns: dict[str, list[float]] = {}
        self.stopped: str | None = None

    def append(self, epoch: int, row: Mapping[str, float]) -> None:
        """Add the numbers of an epoch."""
        self.epochs.append(int(epoch))
        for column in self.columns.values():
            column.append(float("nan"))
        self.amend(row)

    def amend(self, row: Mapping[str, float]) -> None:
        """Write these numbers into the row of the last epoch; raises TypeError where one is no number."""
        for name, value in row.items():
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = [float("nan")] * len(self.epochs)
            try:
                column[-1] = float(value)
            except (TypeError, ValueError):
                raise TypeError(f"History: column {name!r} takes a number, got {type(value).__name__} {value!r:.80}") from None

    def __getitem__(self, name: str) -> list[float]:
        try:
            return self.columns[name]
        except KeyError:
            raise KeyError(f"History: there is no column {name!r}; there are: {', '.join(self.columns) or 'none yet'}") from None

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.epochs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and repr(self.state_dict()) == repr(other.state_dict())  # where nan equals nan

    __hash__ = None  # type: ignore[assignment]  # it grows

    def row(self, index: int = -1) -> dict[str, float]:
        """Return the numbers of one epoch by name; by default of the last."""
        return {name: column[index] for name, column in self.columns.items()}

    def __repr__(self) -> str:
        if not self.epochs:
            return "History(no epochs)"
        table = [["epoch", *self.columns]]
        table += [[str(epoch), *(f"{column[i]:.4g}" for column in self.columns.values())] for i, epoch in enumerate(self.epochs)]
        if len(table) > 21:
            table = [*table[:11], ["..."] * len(table[0]), *table[-10:]]
        widths = [max(map(len, cells)) for cells in zip(*table)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(cells, widths)) for cells in table]
        return "\n".join(lines + ([f"stopped: {self.stopped}"] if self.stopped else []))

    # ------------------------------------------------------------------------------------------- files

    def state_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        columns = {name: list(column) for name, column in self.columns.items()}
        return {"epochs": list(self.epochs), "columns": columns, "stopped": self.stopped}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Become what `state_dict()` returned; raises ValueError where that is no table."""
        epochs = [int(epoch) for epoch in state_dict["epochs"]]
        columns = {str(name): [float(value) for value in column] for name, column in state_dict["columns"].items()}
        for name, column in columns.items():
            if len(column) != len(epochs):
                raise ValueError(f"History: column {name!r} has {len(column)} numbers for {len(epochs)} epochs")
        self.epochs, self.columns, self.stopped = epochs, columns, state_dict.get("stopped")

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as comma-separated values, the names in the first line; numbers in full precision."""
        write_whole(path, lambda stream: stream.write(self._csv().encode()))

    def _csv(self) -> str:
        lines = [",".join(map(_quoted, ["epoch", *self.columns]))]
        for i, epoch in enumerate(self.epochs):
            lines.append(",".join([str(epoch), *(repr(column[i]) for column in self.columns.values())]))
        return "\n".join(lines) + "\n"

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write everything as JSON; `History.from_json` reads it. nan and infinities become the strings "nan", "inf", "-inf"."""
        import json

        state = self.state_dict()
        state["columns"] = {name: [_json_number(value) for value in column] for name, column in state["columns"].items()}
        text = json.dumps(state, allow_nan=False, indent=1)
        write_whole(path, lambda stream: stream.write(text.encode()))

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Self:
        """Return what `to_json` wrote; raises ValueError where the file holds something else."""
        import json

        with open(path, encoding="utf-8") as stream:
            try:
                state = json.load(stream)
                for name, column in state["columns"].items():
                    state["columns"][name] = [_NOT_FINITE[value] if isinstance(value, str) else value for value in column]
                history = cls()
                history.load_state_dict(state)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"History.from_json: {os.fspath(path)} holds no history: {error}") from error
        return history

    # ------------------------------------------------------------------------------------------- picture

    def plot(self) -> Figure:
        """Return a matplotlib Figure with one diagram for each quantity, training and validation together.

        `history.plot().savefig("history.png")` writes it; a notebook shows it as a cell's last line. Needs matplotlib.
        """
        try:
            from matplotlib.figure import Figure  # without pyplot, which would want a display
            from matplotlib.ticker import MaxNLocator
        except ImportError as error:
            raise ImportError("History.plot needs matplotlib: python -m pip install 'glassgrad[plot]'") from error
        quantities = list(dict.fromkeys(name.removeprefix("val_") for name in self.columns))
        if not quantities:
            raise ValueError("History.plot: there are no epochs to draw")
        figure = Figure(figsize=(4.5 * min(len(quantities), 3), 3.4 * -(-len(quantities) // 3)), layout="constrained")
        grid: Any = figure.subplots(-(-len(quantities) // 3), min(len(quantities), 3), squeeze=False)
        marker = "o" if len(self.epochs) == 1 else None  # a line of one point cannot be seen
        for axes, quantity in zip(grid.flat, quantities):
            for name, style, label in ((quantity, "-", "training"), (f"val_{quantity}", "--", "validation")):
                if name in self.columns:
                    axes.plot(self.epochs, self.columns[name], style, marker=marker, label=label)
            axes.set_title(quantity, loc="left", fontsize=11)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y", alpha=0.3)
            if f"val_{quantity}" in self.columns:
                axes.legend(frameon=False)
        for axes in grid.flat[len(quantities) :]:
            axes.set_visible(False)
        return figure


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(sign in name for sign in ',"\n\r') else name


def _json_number(value: float) -> float | str:
    return value if value - value == 0 else repr(value)
