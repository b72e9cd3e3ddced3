"""Weights on disk: what is saved comes back, a crash leaves the old file, and no file runs code."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn


@pytest.mark.parametrize("name", ["weights.npz", "weights.safetensors", "weights"])
def test_what_is_saved_comes_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    values: dict[str, Any] = {
        "a.weight": ad.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3), requires_grad=True),
        "file": np.array(1.5),
        "empty": np.zeros((0, 3)),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(10)[::3],
        "mask": np.array([True, False]),
        "complex": np.array([1j], np.complex64),
        "big endian": np.arange(3, dtype=">i4"),
        "half": np.array([0.5, np.inf, np.nan], np.float16),
    }
    nn.save(values, path)
    loaded = nn.load(path)
    assert list(loaded) == list(values)
    for name, value in values.items():
        expected = value.numpy() if isinstance(value, ad.Tensor) else value
        assert loaded[name].dtype == expected.dtype.newbyteorder("=")
        assert loaded[name].shape == expected.shape
        np.testing.assert_array_equal(loaded[name].numpy(), expected)
        assert not loaded[name].requires_grad


def test_numpy_reads_an_npz_file(tmp_path: Path) -> None:
    nn.save({"x": np.arange(3), "y": np.ones((2, 2))}, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as theirs:
        assert set(theirs) == {"x", "y"}


def test_a_model_goes_to_disk_and_back(tmp_path: Path) -> None:
    model, other = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    nn.save(model.state_dict(), str(tmp_path / "model.anything"))
    other.load_state_dict(nn.load(str(tmp_path / "model.anything")))
    x = ad.Tensor(np.ones((1, 3)))
    assert model(x).tolist() == other(x).tolist()


def test_what_numpy_saved_is_read_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    np.savez_compressed(tmp_path / "b.npz", x=np.arange(3))
    for name in ("a.npz", "b.npz"):
        assert nn.load(tmp_path / name)["x"].tolist() == [0, 1, 2]


def test_the_same_weights_make_the_same_bytes(tmp_path: Path) -> None:
    for extension in (".npz", ".safetensors"):
        for name in ("a", "b"):
            nn.save({"x": np.ones(3)}, tmp_path / (name + extension))
        assert (tmp_path / ("a" + extension)).read_bytes() == (tmp_path / ("b" + extension)).read_bytes()


def test_a_failure_while_writing_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.npz"
    nn.save({"x": np.ones(3)}, path)

    def broken(*args: Any, **kwargs: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", broken)
    with pytest.raises(OSError, match="no space left"):
        nn.save({"x": np.zeros(3)}, path)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["weights.npz"]
    assert nn.load(path)["x"].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {"b": np.ones(1)}}, "expected a flat mapping of names to Tensors or arrays; 'a' holds dict"),
        ({3: np.ones(1)}, "expected a flat mapping of names"),
        ({"a": "text"}, "save: 'a': expected numbers"),
        ({"a": np.array([object()])}, "save: 'a': expected numbers"),
        ({"a": np.array(["text"])}, "save: 'a'.* expected numbers"),
    ],
)
def test_what_holds_no_numbers_is_not_saved(tmp_path: Path, state: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        nn.save(state, tmp_path / "weights.npz")
    assert list(tmp_path.iterdir()) == []


class Trap:
    """An object whose unpickling would be noticed."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('a pickle ran')",)


def member(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def whole() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.arange(100.0), b=np.ones(3))
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip at all",
        pickle.dumps({"a": 1}),
        npy(np.ones(3)),
        member("a.npy", npy(np.ones(3))[:-5]),
        member("a.npy", npy(np.ones(3)) + b"more"),
        member("a.npy", b"\x93NUMPY\x01\x00\xff\xff{broken"),
        member("a.npy", npy(np.array(["text"]))),
        member("a.npy", npy(np.array([Trap()], dtype=object))),
        member("a.npy", b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
               + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }".ljust(117) + b"\n"),
        whole()[:300],
        whole()[:-10],
        whole().replace(np.arange(50.0, 60.0).tobytes(), np.zeros(10).tobytes()),
    ],
)  # fmt: skip
def test_damaged_and_hostile_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"load: .*weights.npz is damaged, or no file of weights"):
        nn.load(path)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        nn.load(tmp_path / "nothing.npz")


def _header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


@pytest.mark.parametrize(
    "header",
    [
        "{",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1180591620717411303424,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
    ],
)
def test_a_hostile_header_is_damage(tmp_path: Path, header: str) -> None:
    path = tmp_path / "hostile.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", _header(header) + bytes(16))
    with pytest.raises(ValueError, match="is damaged, or no file of weights"):
        nn.load(path)


def test_two_arrays_of_one_name_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "twice.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.npy", "a"):
            archive.writestr(name, _header("{'descr': '<f8', 'fortran_order': False, 'shape': ()}") + bytes(8))
    with pytest.raises(ValueError, match="'a' is there twice"):
        nn.load(path)


def test_save_takes_a_mapping_of_plain_names(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"such as model.state_dict\(\), got Linear"):
        nn.save(nn.Linear(1, 1), tmp_path / "w.npz")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="holds a NUL character"):
        nn.save({"a\0b": 1.0}, tmp_path / "w.npz")
    assert not list(tmp_path.iterdir())
