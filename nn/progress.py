"""How a training shows itself: a table and a bar on a terminal or in a notebook, a line an epoch in a file, or not at all."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

from .callbacks.callback import Callback

if TYPE_CHECKING:
    from .trainer import Trainer

_INTERVAL = 0.1  # seconds between two updates of a bar
_EVERY_LINE = 50  # of so many epochs each has its line; of more, one for each time that the bar is drawn


def shown(progress: bool | str | None) -> list[Callback]:
    """Return what shows a training.

    progress  None (or True): a bar where someone is looking, lines in a file; "bar" or "lines"; False: nothing
    """
    if progress is None or progress is True:
        if sys.stderr is None:  # a program without a console
            return []
        someone_looks = _in_notebook() or sys.stderr.isatty()
        progress = "bar" if someone_looks and _tqdm(_in_notebook()) is not None else "lines"
    if progress is False:
        return []
    if progress == "lines":
        return [Lines(sys.stderr)]
    if progress == "bar":
        if _tqdm(False) is None:
            raise ImportError("progress='bar' needs tqdm: python -m pip install 'glassgrad[progress]'")
        return [Bar(sys.stderr, _in_notebook())]
    raise ValueError(f"fit: progress must be None, True, False, 'bar' or 'lines', got {progress!r}")


def _in_notebook() -> bool:
    """Return whether this runs in Jupyter (where a program in a terminal that merely imported IPython does not)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


def _tqdm(notebook: bool) -> Any:
    """Return tqdm's class of bars, or None where it is not installed."""
    if notebook:
        try:
            import ipywidgets  # noqa: F401  # without it tqdm's own notebook bar cannot be made
            from tqdm.notebook import tqdm as widget

            return widget
        except ImportError:
            pass
    try:
        from tqdm.std import tqdm
    except ImportError:
        return None
    return tqdm


def numbers(row: dict[str, float]) -> str:
    """Return a row of the history as text."""
    return ", ".join(f"{name} {float(value):.4g}" for name, value in row.items())


class Lines(Callback):
    """Writes a line for each epoch, without control characters."""

    order = 2000

    def __init__(self, stream: TextIO):
        self.stream = stream
        self._start = 0.0

    def on_fit_start(self, trainer: Trainer) -> None:
        self._start = perf_counter()

    def on_epoch_end(self, trainer: Trainer) -> None:
        now = perf_counter()
        width = len(str(trainer.epochs))
        line = f"epoch {trainer.epoch:{width}d}/{trainer.epochs}: {numbers(trainer.row)} [{now - self._start:.1f} s]\n"
        self._start = now
        self.stream.write(line)
        self.stream.flush()

    def on_fit_end(self, trainer: Trainer) -> None:
        if trainer.history.stopped:
            self.stream.write(f"stopped: {trainer.history.stopped}\n")
            self.stream.flush()


class Bar(Callback):
    """A table with a line for each finished epoch, which stays, and under it one bar: epoch, time left, the running loss.

    Both are drawn at most ten times a second, however fast batches and epochs come.
    """

    order = 2000

    def __init__(self, stream: TextIO, notebook: bool):
        self.stream, self.notebook = stream, notebook
        self._bar: Any = None
        self._done = 0
        self._last = self._start = 0.0
        self._columns: list[str] = []
        self._waiting: list[tuple[int, dict[str, float], float]] = []  # epochs without their lines so far

    def on_fit_start(self, trainer: Trainer) -> None:
        kind = _tqdm(self.notebook)
        quiet = type("QuietBar", (kind,), {"monitor_interval": 0})  # no thread that watches it
        by_batch = trainer.batches is not None
        per_epoch = trainer.batches or 1
        done = trainer.epoch * per_epoch if not trainer.inside else (trainer.epoch - 1) * per_epoch + trainer.batch * by_batch
        self._bar = quiet(
            total=trainer.epochs * per_epoch,
            initial=done,
            file=self.stream,
            mininterval=0,
            miniters=1,
            dynamic_ncols=True,
            desc=f"epoch {trainer.epoch}/{trainer.epochs}",
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| [{elapsed}<{remaining}{postfix}]",
        )
        self._done, self._last = 0, perf_counter()
        self._start, self._columns, self._waiting = self._last, [], []

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.batches is not None:
            self._done += 1
        now = perf_counter()
        if now - self._last >= _INTERVAL:
            self._show(trainer, now)

    def on_epoch_end(self, trainer: Trainer) -> None:
        if trainer.batches is None:
            self._done += 1
        now = perf_counter()
        if trainer.epochs > _EVERY_LINE:
            self._waiting.clear()
        self._waiting.append((trainer.epoch, trainer.row, now - self._start))
        self._start = now
        if now - self._last >= _INTERVAL:
            self._show(trainer, now)

    def _lines(self, last: str) -> list[str]:
        """Return the lines of the epochs that have none so far, where `last` is the last epoch's number."""
        first = max(len("epoch"), 2 * len(last) + 1)
        lines = []
        for epoch, row, seconds in self._waiting:
            widths = _widths(list(row), _columns_of_terminal(self._bar) - first - len("  1234.5 s"))
            cells = [[f"{epoch:{len(last)}d}/{last}", *map(_cell, row.values()), f"{seconds:.1f} s"]]
            if list(row) != self._columns:
                self._columns = list(row)
                names = [name if len(name) <= width else name[: width - 1] + "." for name, width in zip(row, widths)]
                cells.insert(0, ["epoch", *names, "time"])
            lines += ["  ".join(cell.rjust(width) for cell, width in zip(line, [first, *widths, 8])) for line in cells]
        self._waiting.clear()
        return lines

    def _show(self, trainer: Trainer, now: float) -> None:
        self._bar.n += self._done
        self._done, self._last = 0, now
        self._label(trainer)
        if self._waiting:  # written above the bar, which is then drawn anew; in a notebook's stderr it would be red
            self._bar.write("\n".join(self._lines(str(trainer.epochs))), file=sys.stdout if self.notebook else self.stream)
        else:
            self._bar.refresh()

    def _label(self, trainer: Trainer) -> None:
        self._bar.set_description_str(f"epoch {trainer.epoch}/{trainer.epochs}", refresh=False)
        self._bar.set_postfix_str(f"loss {trainer.totals.mean_loss:.4g}" if trainer.totals.batches else "", refresh=False)

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._bar is not None:
            self._show(trainer, perf_counter())
            self._bar.close()
            if trainer.history.stopped:
                self.stream.write(f"stopped: {trainer.history.stopped}\n")
                self.stream.flush()


def _columns_of_terminal(bar: Any) -> int:
    """Return how many characters go into a line."""
    try:
        return int(bar.ncols or 80)
    except (TypeError, ValueError, AttributeError):
        return 80


def _widths(names: list[str], room: int) -> list[int]:
    """Return the widths of a table's columns, of at least 8 characters for a number; long names are cut where room is short."""
    longest = max((len(name) for name in names), default=0)
    while longest > 8 and sum(2 + max(8, min(len(name), longest)) for name in names) > room:
        longest -= 1
    return [max(8, min(len(name), longest)) for name in names]


def _cell(value: float) -> str:
    text = f"{float(value):.4g}"
    return text if len(text) <= 8 else f"{float(value):.2e}"
