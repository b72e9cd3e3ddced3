"""The safetensors format: both ways against its own library, PyTorch's files, and files that lie."""

from __future__ import annotations

import contextlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import nn

DTYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8"]


def file_of(header: Any, content: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + content


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    signed = {dtype: (rng.standard_normal((3, 5)) * 50).astype(dtype)[:, ::2] for dtype in DTYPES if dtype[0] != "u"}
    unsigned = {dtype: rng.integers(0, 200, (2, 3)).astype(dtype).T for dtype in DTYPES if dtype[0] == "u"}
    return signed | unsigned | {"0-d": np.array(2.5), "empty": np.zeros((0, 4), np.float32), "ümläut \n": np.ones(1, np.int8)}


def test_the_library_of_the_format_reads_what_we_write(tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.numpy", reason="compares with the safetensors library")
    nn.save(arrays(), tmp_path / "a.safetensors")
    loaded = theirs.load_file(tmp_path / "a.safetensors")
    assert loaded.keys() == arrays().keys()
    for name, array in arrays().items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


def test_we_read_what_the_library_of_the_format_writes(tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.numpy", reason="compares with the safetensors library")
    given = {name: np.ascontiguousarray(array) for name, array in arrays().items()}
    theirs.save_file(given, tmp_path / "a.safetensors", metadata={"format": "np"})
    loaded = nn.load(tmp_path / "a.safetensors")
    assert loaded.keys() == given.keys()
    for name, array in given.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name].numpy(), array)


def test_weights_of_pytorch_load_by_name(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    files = pytest.importorskip("safetensors.torch", reason="writes PyTorch's weights")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    files.save_file(theirs.state_dict(), tmp_path / "torch.safetensors")
    ours = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    ours.load_state_dict(nn.load(tmp_path / "torch.safetensors"))
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    np.testing.assert_allclose(ours(x).numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6)
    nn.save(ours.state_dict(), tmp_path / "ours.safetensors")
    theirs.load_state_dict(files.load_file(tmp_path / "ours.safetensors"))


def test_bfloat16_becomes_float32_exactly(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, 0.0, np.inf, 1.1], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2")
    (tmp_path / "b").write_bytes(file_of({"x": entry("BF16", (5,), (0, 10))}, upper.tobytes()))
    loaded = nn.load(tmp_path / "b")["x"]
    assert loaded.dtype == np.float32
    assert loaded.tolist() == [1.0, -2.5, 0.0, np.inf, 1.09375]


HOSTILE = {
    "empty": b"",
    "seven bytes": b"\0" * 7,
    "no header": bytes(8),
    "a header longer than the file": file_of({}, length=1000),
    "a huge header": file_of({}, length=2**63),
    "no JSON": file_of(b"{'a': 1}"),
    "nested without end": file_of(b"[" * 100_000),
    "no object": file_of([1]),
    "nan": file_of(b'{"a": NaN}'),
    "twice": file_of(b'{"a": %s, "a": %s}' % ((json.dumps(entry()).encode(),) * 2), bytes(8)),
    "no UTF-8": file_of(b'{"\xff": 1}'),
    "an entry of another kind": file_of({"a": 3}),
    "an entry with less": file_of({"a": {"dtype": "F32", "shape": []}}),
    "an entry with more": file_of({"a": {**entry(), "code": "exec"}}, bytes(8)),
    "unknown dtype": file_of({"a": entry("O")}, bytes(8)),
    "a dtype that is none": file_of({"a": entry(["F32"])}, bytes(8)),
    "a negative length": file_of({"a": entry(shape=[-2])}, bytes(8)),
    "a fractional length": file_of({"a": entry(shape=[2.0])}, bytes(8)),
    "a length that is a boolean": file_of({"a": entry(shape=[True], offsets=[0, 4])}, bytes(4)),
    "a shape larger than the place": file_of({"a": entry(shape=[3])}, bytes(8)),
    "a shape that overflows": file_of({"a": entry(shape=[2**62, 4, 2**62], offsets=[0, 8])}, bytes(8)),
    "beyond the file": file_of({"a": entry(offsets=[0, 8])}, bytes(4)),
    "more than the header says": file_of({"a": entry()}, bytes(9)),
    "a gap": file_of({"a": entry(offsets=[4, 12])}, bytes(12)),
    "overlapping": file_of({"a": entry(), "b": entry()}, bytes(8)),
    "overlapping in part": file_of({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)),
    "backwards": file_of({"a": entry(offsets=[8, 0])}, bytes(8)),
    "three offsets": file_of({"a": entry(offsets=[0, 8, 8])}, bytes(8)),
    "too many axes": file_of({"a": entry(shape=[1] * 65, offsets=[0, 4])}, bytes(4)),
    "no boolean": file_of({"a": entry("BOOL", [2], [0, 2])}, b"\1\2"),
    "metadata that is no mapping": file_of({"__metadata__": [1]}),
    "metadata that is no text": file_of({"__metadata__": {"a": 1}}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ValueError, match=r"load: .*weights.safetensors is damaged, or no file of weights"):
        nn.load(path)
    with pytest.raises(ValueError, match=r"load_checkpoint: .*weights.safetensors is damaged, or no checkpoint"):
        nn.load_checkpoint(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def sound(folder: Path) -> dict[str, bytes]:
    made = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.array([1.0, 2.0])}
    found = {}
    for extension in (".safetensors", ".npz"):
        nn.save(made, folder / ("sound" + extension))
        found[extension] = (folder / ("sound" + extension)).read_bytes()
    return found


@pytest.mark.parametrize("extension", [".safetensors", ".npz"])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_changed_file_is_refused_or_read_whole_and_a_model_is_never_half_loaded(
    extension: str, data: st.DataObject, folder: Path, sound: dict[str, bytes]
) -> None:
    content = bytearray(sound[extension])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, max(0, len(content) - 1)))
        length = data.draw(st.integers(0, 20))
        content[start : start + length] = data.draw(st.binary(max_size=20))
    path = folder / f"changed{extension}"
    path.write_bytes(content)
    model = nn.Linear(3, 2)
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    try:
        with warnings.catch_warnings():  # a changed number may be one that float32 does not hold: NumPy says so
            warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
            model.load_state_dict(nn.load(path))
    except (ValueError, TypeError):  # damaged, or names, shapes or dtypes that do not fit the model
        assert {name: value.tolist() for name, value in model.state_dict().items()} == before


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200), length=st.integers(0, 300))
@example(content=b"{}", length=2)
def test_any_bytes_are_read_or_refused(content: bytes, length: int, folder: Path) -> None:
    path = folder / "any"
    path.write_bytes(length.to_bytes(8, "little") + content)
    with contextlib.suppress(ValueError):
        nn.load(path)


@pytest.mark.parametrize("extension", [".safetensors", ".npz"])
def test_a_file_cut_anywhere_is_refused(extension: str, folder: Path, sound: dict[str, bytes]) -> None:
    whole = sound[extension]
    path = folder / f"cut{extension}"
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="is damaged, or no file of weights"):
            nn.load(path)


def test_a_pickle_of_pytorch_is_refused_with_the_cure(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="writes PyTorch's own format")
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"a pickle of PyTorch's, .* safetensors.torch.save_file\(model.state_dict\(\), path\)"):
        nn.load(tmp_path / "model.pt")


@pytest.mark.parametrize("name", ["model.pt", "model.PTH", "model.pkl"])
def test_a_name_that_promises_a_pickle_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is the name of pickled files"):
        nn.save({"a": np.ones(1)}, tmp_path / name)


def test_what_the_format_does_not_have_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"'a' has dtype complex128, which a safetensors file cannot hold; a .npz file can"):
        nn.save({"a": np.array([1j])}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="'__metadata__' is a reserved name"):
        nn.save({"__metadata__": np.array([1.0])}, tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError, match=r"the folder .* is not there"):
        nn.save({"a": np.ones(1)}, tmp_path / "nowhere" / "a.safetensors")
    assert not list(tmp_path.iterdir())
