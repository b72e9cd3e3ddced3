"""Checkpoints: nested state comes back equal, and a process that is killed leaves a whole file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autodiff as ad
import nn


def alike(a: Any, b: Any) -> bool:
    """Return whether two nested states are equal in every type, dtype and bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b))
    if isinstance(a, ad.Tensor):
        return alike(a.numpy(), b.numpy())
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b or (a != a and b != b)


def test_nested_state_comes_back(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    optimizer = nn.optim.Adam(model.parameters())
    model(np.ones((4, 2))).sum().backward()
    optimizer.step()
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": np.random.default_rng(3).bit_generator.state,
        "old rng": np.random.MT19937(3).state,
        "history": {"loss": [0.5, float("nan"), float("-inf")], "best": None, "done": False},
        "epoch": 7,
        "huge": 2**300,
        "exact": 0.1,
        "betas": (0.9, 0.999),
        "a.b": np.zeros(2),
        "a": {"b": np.ones(3)},
        "scalar": np.float32(1.5),
        "complex": np.array([1 + 2j]),
        "strided": np.arange(6)[::2],
        "": {"": np.array(1)},
    }
    nn.save_checkpoint(state, tmp_path / "run.safetensors")
    assert alike(nn.load_checkpoint(tmp_path / "run.safetensors"), state)
    arrays = nn.load(tmp_path / "run.safetensors")  # its arrays can be looked at under readable names
    assert arrays["model.0.weight"].shape == (3, 2)
    assert arrays["optimizer.state.0.exp_avg"].shape == (3, 2)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DTYPES = st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_, np.complex64, np.complex128])
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
STATES = st.dictionaries(
    st.text() | st.integers(),
    st.recursive(
        PLAIN | ARRAYS | ARRAYS.map(ad.Tensor),
        lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=10,
    ),
)


@settings(max_examples=40, deadline=None)
@given(state=STATES)
def test_any_nested_state_comes_back(state: dict[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    nn.save_checkpoint(state, path)
    assert alike(nn.load_checkpoint(path), state)


def test_what_is_no_data_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a"
    holds_itself: dict[str, Any] = {}
    holds_itself["me"] = [holds_itself]
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    for state, error, message in [
        ({"a": {"b": [nn.Linear(1, 1)]}}, TypeError, r"'a.b.0' is a Linear; .* state_dict\(\) is such data"),
        ({"a": {1.5: 1}}, TypeError, "'a' has the key 1.5"),
        ({"a": b"bytes"}, TypeError, "'a' is a bytes"),
        ({"a": np.array(["text"])}, TypeError, "'a' has dtype <U4"),
        ({"a": np.array([None])}, TypeError, "'a' has dtype object"),
        (holds_itself, ValueError, "'me.0' holds itself"),
        ({"a": deep}, ValueError, "nested more than 100 deep"),
        ([1], TypeError, "expected a mapping"),
    ]:
        with pytest.raises(error, match=message):
            nn.save_checkpoint(state, path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_weights_are_no_checkpoint(tmp_path: Path) -> None:
    nn.save({"a": np.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"it has no nested data; nn.load reads files of weights"):
        nn.load_checkpoint(tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError):
        nn.load_checkpoint(tmp_path / "b")


WRITER = """
import sys, numpy as np, nn
path = sys.argv[1]
i = 0
while True:
    nn.save_checkpoint({"i": i, "arrays": [np.full(50_000, i + k) for k in range(4)]}, path)
    if i == 0:
        print("ready", flush=True)
    i += 1
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_process_killed_while_writing_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    rng = np.random.default_rng(0)
    reached = []
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0.0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        state = nn.load_checkpoint(path)
        reached.append(state["i"])
        for k, array in enumerate(state["arrays"]):
            assert (array == state["i"] + k).all()
    assert max(reached) > 0
