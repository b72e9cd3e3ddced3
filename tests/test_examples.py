"""The examples run, and leave behind what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(script: str, *arguments: str, path: str | None = None) -> str:
    environment = {**os.environ, **({} if path is None else {"PATH": path})}
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def needs_what_the_demo_needs() -> None:
    for name in ("sklearn", "matplotlib", "tqdm"):
        pytest.importorskip(name, reason="the demo needs it")


@pytest.mark.slow
def test_digits_learns_to_read_and_writes_its_files(tmp_path: Path) -> None:
    needs_what_the_demo_needs()
    folder = tmp_path / "with a space"
    folder.mkdir()
    said = run("digits.py", "--output", str(folder))
    accuracy = re.search(r"Accuracy on the held-out digits: ([\d.]+)%", said)
    assert accuracy is not None, said
    assert float(accuracy[1]) >= 97
    written = {path.name for path in folder.iterdir()}
    assert written - {"backprop.svg", "backprop.dot"} == {"digits.npz", "learning_curve.png", "predictions.png"}
    assert len(written) == 4
    for name in written:
        assert str(folder / name) in said
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "predictions.png").read_bytes().startswith(b"\x89PNG")
    state = nn.load(folder / "digits.npz")
    assert {name: value.shape for name, value in state.items()} == {
        "layers.0.weight": (128, 64), "layers.0.bias": (128,), "layers.2.weight": (64, 128), "layers.2.bias": (64,),
        "layers.4.weight": (10, 64), "layers.4.bias": (10,),
    }  # fmt: skip
    assert all(np.isfinite(value.numpy()).all() for value in state.values())


@pytest.mark.slow
def test_digits_without_dot_says_how_to_get_it_in_one_line_and_writes_the_source(tmp_path: Path) -> None:
    needs_what_the_demo_needs()
    said = run("digits.py", "--epochs", "1", "--output", str(tmp_path), path=str(tmp_path / "no programs"))
    assert len([line for line in said.splitlines() if "`dot`" in line and "apt install" in line]) == 1
    source = (tmp_path / "backprop.dot").read_text(encoding="utf-8")
    assert "digraph" in source
    assert "layers.0" in source
    assert "Traceback" not in said
