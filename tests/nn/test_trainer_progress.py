"""How a training shows itself: on a terminal, in a file, in a notebook, and not at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import types
from typing import Any

import numpy as np
import pytest

import nn
from nn import progress
from nn.callbacks import Callback, EarlyStopping

PROGRAM = """
import sys, time
import numpy as np, nn
class Slow(nn.callbacks.Callback):
    def on_batch_end(self, trainer):
        time.sleep({pause})
if {hidden}:
    sys.modules["tqdm"] = sys.modules["tqdm.std"] = None
x = np.linspace(-1, 1, 40)[:, None]
model = nn.Linear(1, 1)
trainer = nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=0.1), {metrics}, callbacks=[Slow()])
started = time.perf_counter()
trainer.fit((x, x), epochs={epochs}, validation=(x, x), batch_size=4, progress={progress})
print("seconds", time.perf_counter() - started)
"""


def run(
    terminal: bool, *, pause: float = 0.0, epochs: int = 3, shown: Any = None, hidden: bool = False, metrics: str = "None"
) -> tuple[str, float]:
    """Return what a program writes to its error stream, and for how long it trained."""
    code = PROGRAM.format(pause=pause, epochs=epochs, progress=repr(shown), hidden=hidden, metrics=metrics)
    if not terminal:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return done.stderr, float(done.stdout.split()[-1])
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.append(part)
        assert process.stdout is not None
        seconds = float(process.stdout.read().split()[-1])
    os.close(ours)
    assert process.returncode == 0
    return b"".join(parts).decode(), seconds


def seen(text: str) -> list[str]:
    """Return the lines that stay on a terminal."""
    lines: list[list[str]] = [[]]
    column = 0
    for sign in re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text):
        if sign == "\r":
            column = 0
        elif sign == "\n":
            lines.append([])
            column = 0
        else:
            lines[-1][column : column + 1] = sign
            column += 1
    return [text for line in lines if (text := "".join(line).rstrip())]


LINE = re.compile(r"epoch +\d+/\d+: loss \S+, val_loss \S+ \[\d+\.\d s\]")


def test_a_file_gets_one_line_an_epoch_and_no_control_characters() -> None:
    text, _ = run(terminal=False, epochs=11)
    assert text.endswith("\n")
    lines = text.splitlines()
    assert len(lines) == 11
    assert all(LINE.fullmatch(line) for line in lines)
    assert lines[0].startswith("epoch  1/11: ")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of Unix")
def test_a_terminal_gets_a_line_an_epoch_and_one_bar_below() -> None:
    pytest.importorskip("tqdm", reason="the bar is tqdm's")
    text, seconds = run(terminal=True, pause=0.004, epochs=20)
    lines = seen(text)
    assert lines[0].split() == ["epoch", "loss", "val_loss", "time"]
    assert [line.split()[0] for line in lines[1:-1]] == [f"{i}/20" for i in range(1, 21)]
    assert len({len(line) for line in lines[:-1]}) == 1
    assert re.fullmatch(r"epoch 20/20 100%\|.{20}\| \[00:0\d<00:00, loss \S+\]", lines[-1])
    assert 3 <= text.count("\repoch") <= 10 * seconds + 4  # its first and its last are drawn besides


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of Unix")
def test_validation_can_be_seen_at_80_columns() -> None:
    pytest.importorskip("tqdm", reason="the bar is tqdm's")
    text, _ = run(terminal=True, metrics="[nn.metrics.mean_absolute_error, nn.metrics.r2_score]")
    lines = seen(text)
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].split() == ["epoch", "loss", "mean_abs.", "r2_score", "val_loss", "val_mean.", "val_r2_s.", "time"]
    assert all(len(line.split()) == 9 for line in lines[1:-1])


def test_of_many_fast_epochs_not_each_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="the bar is tqdm's")
    monkeypatch.setattr(sys, "stderr", Screen())
    started = time.perf_counter()
    trainer().fit((X, X), epochs=300, batch_size=8)
    screen: Any = sys.stderr
    lines = [line for line in seen(screen.text) if "/300" in line]
    assert len(lines) <= 10 * (time.perf_counter() - started) + 4
    assert lines[-2].split()[0] == "300/300"
    assert lines[-1].startswith("epoch 300/300 100%")


def test_a_column_that_comes_later_has_a_new_head(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="the bar is tqdm's")
    monkeypatch.setattr(sys, "stderr", Screen())

    class Adds(Callback):
        def on_epoch_end(self, trainer: nn.Trainer) -> None:
            if trainer.epoch > 1:
                trainer.row["mine"] = -1.23456e-7

    trainer(Adds()).fit((X, X), epochs=3)
    screen: Any = sys.stderr
    lines = [line.split() for line in seen(screen.text)]
    assert [line[0] for line in lines[:5]] == ["epoch", "1/3", "epoch", "2/3", "3/3"]
    assert lines[3][2] == "-1.23e-07"


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of Unix")
def test_a_terminal_without_tqdm_gets_lines() -> None:
    text, _ = run(terminal=True, hidden=True)
    assert len(text.splitlines()) == 3
    assert all(LINE.fullmatch(line) for line in text.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of Unix")
def test_silence_on_request() -> None:
    assert run(terminal=True, shown=False)[0] == ""


class Screen:
    """A stream that says it is a terminal, and counts."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("none")


def trainer(*callbacks: Callback) -> nn.Trainer:
    model = nn.Linear(1, 1)
    return nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=0.1), callbacks=callbacks)


X = np.linspace(-1, 1, 8)[:, None]


def test_the_bar_does_not_draw_more_however_fast_epochs_come(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="the bar is tqdm's")
    monkeypatch.setattr(sys, "stderr", Screen())
    started = time.perf_counter()
    trainer().fit((X, X), epochs=300, batch_size=8)
    allowed = 5 * 10 * (time.perf_counter() - started) + 8  # with a line of the table it is cleared and drawn again
    screen: Any = sys.stderr
    assert 2 <= screen.text.count("\r") <= allowed


def test_the_bar_of_a_loader_without_length_counts_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="the bar is tqdm's")

    class Batches:
        def __iter__(self) -> Any:
            return iter([(X, X)] * 3)

    monkeypatch.setattr(sys, "stderr", Screen())
    trainer().fit(Batches(), epochs=4)
    screen: Any = sys.stderr
    assert "epoch 4/4 100%" in screen.text


def test_stopping_early_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(EarlyStopping("loss", patience=1, min_delta=1e9)).fit((X, X), epochs=9, progress="lines")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[-1].startswith("stopped: loss has not improved for 1 epochs (best ")


def test_a_bar_that_is_asked_for_needs_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.std", None)
    with pytest.raises(ImportError, match=r"pip install 'glassgrad\[progress\]'"):
        trainer().fit((X, X), progress="bar")


def test_a_program_without_a_console_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    trainer().fit((X, X))


def test_a_notebook_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    class ZMQInteractiveShell:
        pass

    fake = types.ModuleType("IPython")
    shell: list[Any] = [None]
    fake.get_ipython = lambda: shell[0]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", fake)
    (shown,) = progress.shown(None)  # IPython is there, but this is no notebook
    assert isinstance(shown, progress.Lines)
    pytest.importorskip("tqdm", reason="the bar is tqdm's")
    shell[0] = ZMQInteractiveShell()
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # then the bar of the terminal does it
    (bar,) = progress.shown(None)
    assert isinstance(bar, progress.Bar)
    assert bar.notebook
    trainer().fit((X, X), epochs=2)
