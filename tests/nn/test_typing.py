"""What a type checker makes of a module that a user wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import autodiff

pytest.importorskip("mypy", reason="checks types with mypy")

PROGRAM = """
from autodiff import Tensor
from nn import CrossEntropyLoss, Linear, Module, ModuleDict, ModuleList, Parameter, ParameterList, Sequential

class Model(Module):
    def __init__(self) -> None:
        self.layers = Sequential(Linear(2, 3), Linear(3, 1))
        self.scale = Parameter(1.0)

    def forward(self, x: Tensor, twice: bool = False) -> Tensor:
        return self.layers(x) * self.scale

class Pair(Module):
    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        return x, 1

model = Model()
reveal_type(model(Tensor([1.0, 2.0])))  # Tensor
reveal_type(model(Tensor([1.0, 2.0]), twice=True))  # Tensor
reveal_type(Pair()(Tensor(1.0)))  # tuple
reveal_type(model.layers(Tensor(1.0)))  # Tensor
reveal_type(CrossEntropyLoss()(Tensor(1.0), Tensor(1)))  # Tensor
reveal_type(model.train())  # Model
reveal_type(model.double().apply(print))  # Model
reveal_type(ModuleList([Linear(1, 1)])[0])  # Linear
reveal_type([layer.weight for layer in ModuleList([Linear(1, 1)])[1:]])  # list[nn.parameter.Parameter]
reveal_type(ModuleDict({"a": Linear(1, 1)})["a"])  # Linear
reveal_type([weight for weight in ParameterList([1.0])])  # list[nn.parameter.Parameter]
model(3)  # wrong: no Tensor
model(Tensor(1.0), twice="yes")  # wrong: no bool
model()  # wrong: an argument is missing
wrong: int = model(Tensor(1.0))  # wrong: no int
"""


@pytest.mark.slow
def test_calling_a_module_has_the_types_of_its_forward(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    root = Path(autodiff.__file__).parent.parent
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={tmp_path / 'cache'}", str(program)]
    environment = {**os.environ, "MYPYPATH": str(root)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    lines = PROGRAM.splitlines()
    said: dict[int, list[str]] = {}
    for line in result.stdout.splitlines():
        place, _, message = line.partition(": ")
        if place.startswith((str(program), program.name)):
            said.setdefault(int(place.rsplit(":", 1)[1]), []).append(message)
    for number, line in enumerate(lines, start=1):
        messages = " ".join(said.pop(number, []))
        if "reveal_type" in line:
            expected = line.rsplit("# ", 1)[1]
            assert expected in messages.partition("Revealed type is")[2], (line, messages, result.stdout)
        elif "# wrong" in line:
            assert "error" in messages, (line, result.stdout)
        else:
            assert messages == "", (line, messages)
    assert said == {}
