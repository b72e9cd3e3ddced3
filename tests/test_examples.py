"""The examples run, leave behind what they say, and what they say is so."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import nn

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "style")
Play = Callable[..., str]


def run(script: str, *arguments: str, path: str | None = None) -> str:
    """Run an example as a user does."""
    environment = {**os.environ, **({} if path is None else {"PATH": path})}
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def needs_what_the_demo_needs() -> None:
    for name in ("sklearn", "matplotlib", "tqdm"):
        pytest.importorskip(name, reason="the examples need it")


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Play]:
    """Run an example in this process, and return what it printed; it must have written its picture."""
    needs_what_the_demo_needs()
    import matplotlib

    def play(script: str, *arguments: str) -> str:
        path = EXAMPLES / f"{script}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *arguments, "--output", str(tmp_path)])
        monkeypatch.syspath_prepend(str(EXAMPLES))
        runpy.run_path(str(path), run_name="__main__")
        said = capsys.readouterr().out
        picture = tmp_path / f"{script}.png"
        assert f"Picture: {picture}" in said
        assert picture.read_bytes().startswith(b"\x89PNG")
        return said

    with matplotlib.rc_context():
        yield play
    sys.modules.pop("style", None)


def number(pattern: str, said: str) -> float:
    """The number in the only match of a pattern."""
    found = re.findall(pattern, said, re.MULTILINE)
    assert len(found) == 1, said
    return float(found[0].replace(",", ""))


def test_perceptron_divides_irises_and_reports_that_xor_cannot_be(play: Play) -> None:
    said = play("perceptron")
    iris = re.findall(r"by its (\w+): converged in epoch (\d+), after (\d+) mistakes; 0 of 150 wrong now", said)
    assert [part for part, _, _ in iris] == ["petals", "sepals"]
    assert int(iris[0][2]) * 100 < int(iris[1][2])
    assert re.search(r"^XOR: not separable:", said, re.MULTILINE)


def check_spam(said: str, least: float) -> None:
    for score in ("Accuracy", "Precision", "Recall"):
        assert number(rf"{score} +([\d.]+)%", said) >= least
    words = re.findall(r"^Most spammy words: (.*)$", said, re.MULTILINE)[0].split(", ")
    assert len(words) == 10
    assert {"claim", "free", "(a number)"} <= set(words)


def test_spam_reads_made_up_messages_without_a_network(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket", None)
    said = play("spam")
    assert "60 messages to learn from" in said
    check_spam(said, 85)


def test_spam_reads_the_collection(play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a made file in the place of the downloaded one."""
    (name,) = nn.data.SMSSpam.files
    made = tmp_path / "SMSSpam" / name
    made.parent.mkdir()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("SMSSpamCollection", (EXAMPLES / "messages.tsv").read_bytes() * 3)
    from nn.data.downloading import checksum

    monkeypatch.setattr(nn.data.SMSSpam, "files", {name: checksum(made)})
    monkeypatch.setenv("GLASSGRAD_DATA", str(tmp_path))
    said = play("spam", "--download", "--epochs", "5")
    assert "180 messages to learn from" in said
    check_spam(said, 85)


def test_spam_says_in_a_line_that_there_is_no_network(play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nn.data.SMSSpam, "mirrors", ("http://127.0.0.1:9/",))
    monkeypatch.setenv("GLASSGRAD_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"SMSSpam: .* could not be downloaded"):
        play("spam", "--download")


def test_moons_need_a_hidden_layer(play: Play) -> None:
    said = play("moons")
    assert number(r"single neuron: .* ([\d.]+)% of", said) < 90
    assert number(r"hidden layer.*: .* ([\d.]+)% of", said) > 95


def test_diabetes_is_as_good_as_a_line(play: Play) -> None:
    said = play("diabetes")
    network, line = (number(rf"^{name} .* R2 ([\d.]+)", said) for name in ("network", "linear regression"))
    assert line > 0.3
    assert network > line - 0.05


def test_activations_have_the_derivatives_that_are_known(play: Play) -> None:
    said = play("activations")
    known = {
        "Step": (0, 1, 0, 0), "Sigmoid": (0.0025, 0.9975, 0.0025, 0.25), "Tanh": (-1, 1, 0, 1), "ReLU": (0, 6, 0, 1),
        "Leaky ReLU, slope 0.1": (-0.6, 6, 0.1, 1), "Softmax, of (x, 0, 0)": (0.0012, 0.9951, 0.0012, 0.25),
    }  # fmt: skip
    for name, numbers in known.items():
        found = re.search(rf"^{re.escape(name)} +([-\d.]+) to +([-\d.]+) +([-\d.]+) to +([-\d.]+)$", said, re.MULTILINE)
        assert found is not None, said
        assert [float(part) for part in found.groups()] == pytest.approx(numbers, abs=6e-5)


def test_dead_units_stay_dead_and_leaky_ones_do_not(play: Play) -> None:
    said = play("dead_relu")
    report = r"of 32 units get no gradient, (\d+) never fire, ([\d.]+)% of"
    relu, leaky = (re.search(rf"^{name}: (\d+) {report}", said, re.MULTILINE) for name in ("ReLU", "leaky ReLU"))
    assert relu is not None
    assert leaky is not None
    assert (int(relu[1]), int(relu[2])) == (32, 32)
    assert float(relu[3]) < 60
    assert int(leaky[1]) == 0
    assert int(leaky[2]) < 16
    assert float(leaky[3]) > 95


def test_gradients_vanish_with_sigmoids_only(play: Play) -> None:
    said = play("vanishing_gradients")
    assert number(r"^Sigmoid: norm .* ratio (\S+)", said) < 1e-5
    assert 0.1 < number(r"^ReLU: norm .* ratio (\S+)", said) < 10
    assert number(r"^Sigmoid: after .* ([\d.]+)% of", said) < 20
    assert number(r"^ReLU: after .* ([\d.]+)% of", said) > 90


def test_optimizers_reach_the_end_of_the_valley(play: Play) -> None:
    said = play("rosenbrock", "--steps", "1000")
    steps = {racer: number(rf"^{racer} +([\d,]+) steps", said) for racer in ("Momentum", "Nesterov", "Adam", "Lion", "LBFGS")}
    assert min(steps, key=lambda racer: steps[racer]) == "LBFGS"
    assert max(steps.values()) < 1000
    for racer in ("SGD", "Adagrad", "RMSprop"):
        assert re.search(rf"^{racer} +not in 1,000 steps$", said, re.MULTILINE)


def test_units_that_begin_alike_stay_alike(play: Play) -> None:
    said = play("zero_initialization", "--epochs", "10")
    different = re.findall(r"^(.*): (\d+) different of 32 hidden units, ([\d.]+)%", said, re.MULTILINE)
    assert [(name, int(count)) for name, count, _ in different] == [("zeros", 1), ("constant 0.1", 1), ("random (Kaiming)", 32)]
    zeros, constant, drawn = (float(share) for _, _, share in different)
    assert zeros < 15
    assert constant < 40
    assert drawn > 90


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
    assert written == {"digits.npz", "learning_curve.png", "predictions.png", "backprop.html", "backprop.svg"}
    for name in written - {"backprop.svg"}:
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
def test_digits_without_dot_draws_all_the_same(tmp_path: Path) -> None:
    needs_what_the_demo_needs()
    said = run("digits.py", "--epochs", "1", "--output", str(tmp_path), path=str(tmp_path / "no programs"))
    assert "Traceback" not in said
    for name in ("backprop.html", "backprop.svg"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "layers.0" in text
        assert "cross_entropy" in text


# ------------------------------------------------------------------------------------------------- all of them


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError(name='matplotlib')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, str(EXAMPLES / "rosenbrock.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr == "The examples need matplotlib; in the folder of the project: python -m pip install '.[demo]'\n"


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_example_imports_the_shared_style_first(script: str) -> None:
    """It says in one line what is missing; an import before it would fail with a traceback."""
    tree = ast.parse((EXAMPLES / f"{script}.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "says what one learns"
    first = None
    for statement in tree.body:
        names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
        names += [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
        outside = [name for name in names if name.split(".")[0] not in {*sys.stdlib_module_names, "numpy"}]
        first = first or next(iter(outside), None)
    assert first == "style"


def test_the_page_shows_every_example_and_its_picture() -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^`(\w+)\.py`:", page, re.MULTILINE)) == SCRIPTS
    pictures = {path.stem: path for path in (ROOT / "docs" / "images" / "examples").iterdir()}
    assert sorted(pictures) == SCRIPTS
    for script, path in pictures.items():
        assert page.count(f"(images/examples/{path.name})") == 1
        assert path.stat().st_size < 60_000, f"{script}: python docs/images/make.py writes it small"
