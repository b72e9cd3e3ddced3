"""Downloads against a server of our own, which breaks off, lies and refuses; and files that are not what they should be."""

from __future__ import annotations

import builtins
import gzip
import hashlib
import http.server
import io
import os
import struct
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn.data import CIFAR10, MNIST, DataLoader, FashionMNIST, SMSSpam, data_folder, downloading, fetch_file, read_idx
from nn.data.formats import read_cifar, read_sms
from nn.data.transforms import ToFloat

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; the first `cuts` answers break off halfway; `log` has the Range of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/file": CONTENT}
        self.cuts, self.failures, self.ranges, self.wrong_part, self.length = 0, 0, True, False, True
        self.log: list[str | None] = []

    def address(self, path: str = "/file") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers["Range"]
        server.log.append(wanted)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.end_headers()
            return
        if server.failures:
            server.failures -= 1
            self.send_error(503)
            return
        if self.path not in server.files:
            self.send_error(404)
            return
        content, start = server.files[self.path], 0
        if wanted and server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start + server.wrong_part}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.cuts:
            server.cuts -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------- downloading


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "f"
    for _ in range(2):
        assert fetch_file([server.address()], path, SHA256) == path
    assert path.read_bytes() == CONTENT
    assert server.log == [None]
    assert left_in(tmp_path) == ["f"]


def test_a_download_that_breaks_off_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.cuts = 2
    fetch_file([server.address()], tmp_path / "f", SHA256)
    half, rest = len(CONTENT) // 2, len(CONTENT) // 4
    assert server.log == [None, f"bytes={half}-", f"bytes={half + rest}-"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_what_an_earlier_run_left_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.cuts = 99
    with pytest.raises(ConnectionError, match=r"the connection broke off after \d+ of 102400 bytes"):
        fetch_file([server.address()], tmp_path / "f", SHA256)
    assert left_in(tmp_path) == ["f.part"]
    server.cuts = 0
    fetch_file([server.address()], tmp_path / "f", SHA256)
    assert server.log[-1] is not None
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("part", "attributes", "requests"),
    [
        (CONTENT[:1000], {"ranges": False}, 1),  # the server sends all of it again
        (CONTENT[:1000], {"wrong_part": True}, 2),  # a part that was not asked for
        (b"x" * 1000, {}, 2),  # the beginning of something else
        (CONTENT, {}, 1),  # whole already: the server has nothing more
        (CONTENT + b"more", {}, 2),
        (CONTENT[:1000], {"length": False}, 1),
    ],
)
def test_whatever_is_there_already(part: bytes, attributes: dict[str, Any], requests: int, server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(part)
    for name, value in attributes.items():
        setattr(server, name, value)
    fetch_file([server.address()], tmp_path / "f", SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert len(server.log) == requests
    assert left_in(tmp_path) == ["f"]


def test_a_damaged_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"damaged")
    fetch_file([server.address()], tmp_path / "f", SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_server_that_is_busy_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.failures = 2
    fetch_file([server.address()], tmp_path / "f", SHA256)
    assert len(server.log) == 3


def test_redirects_and_mirrors(server: Server, tmp_path: Path) -> None:
    fetch_file([server.address("/moved")], tmp_path / "a", SHA256)
    server.files["/false"] = b"something else"
    fetch_file([server.address("/missing"), server.address("/false"), server.address()], tmp_path / "b", SHA256)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == CONTENT
    assert len(server.log) == 5


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"f could not be downloaded .*its SHA-256 is {SHA256}, expected 0000"):
        fetch_file([server.address()], tmp_path / "f", "0" * 64)
    assert len(server.log) == 1
    assert not (tmp_path / "f").exists()
    assert (tmp_path / "f.part").stat().st_size == 0


def test_what_is_not_there(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"f could not be downloaded \(.*/missing: the server says 404 .*put it at .*f$"):
        fetch_file([server.address("/missing")], tmp_path / "f", SHA256)
    assert len(server.log) == 1
    with pytest.raises(ValueError, match="begins with http:// or https://, got 'file:///etc/passwd'"):
        fetch_file(["file:///etc/passwd"], tmp_path / "f", SHA256)


def test_no_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/"

    class Here(MNIST):
        mirrors = (address,)

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(ConnectionError, match=r"^Here: train-images.*could not be downloaded .*refused.*put it at .*$") as info:
        Here(tmp_path, download=True)
    assert "\n" not in str(info.value)
    assert info.value.__cause__ is None
    assert info.value.__suppress_context__


def test_a_file_without_end_is_given_up(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "LARGEST", 1000)
    with pytest.raises(ValueError, match="does not end"):
        fetch_file([server.address()], tmp_path / "f", SHA256)


def test_the_bar_is_optional(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    pytest.importorskip("tqdm", reason="the bar is tqdm's")
    fetch_file([server.address()], tmp_path / "a", SHA256)
    assert capfd.readouterr() == ("", "")  # no terminal, no bar
    fetch_file([server.address()], tmp_path / "b", SHA256, progress=False)
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("tqdm"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    fetch_file([server.address()], tmp_path / "c", SHA256)
    assert left_in(tmp_path) == ["a", "b", "c"]


@pytest.mark.skipif(os.name == "nt", reason="file locks are those of POSIX")
def test_two_at_the_same_file(server: Server, tmp_path: Path) -> None:
    server.cuts = 1
    threads = [threading.Thread(target=fetch_file, args=([server.address()], tmp_path / "f", SHA256)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(server.log) == 2  # by one of them, in two parts
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["f"]


def test_where_data_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GLASSGRAD_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    assert data_folder("elsewhere") == Path("elsewhere")
    monkeypatch.delenv("GLASSGRAD_DATA")
    for system, variable, end in (
        ("linux", "XDG_CACHE_HOME", "glassgrad"),
        ("win32", "LOCALAPPDATA", "glassgrad"),
        ("darwin", "HOME", "Library/Caches/glassgrad"),
    ):
        monkeypatch.setattr(downloading.sys, "platform", system)
        monkeypatch.setenv(variable, str(tmp_path))
        assert data_folder() == tmp_path / end


# ------------------------------------------------------------------------------------------------- the data sets


def idx(array: np.ndarray, code: int = 8) -> bytes:
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def tar(members: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def zipped(content: bytes, name: str = "SMSSpamCollection") -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return raw.getvalue()


DRAW = np.random.default_rng(0)
IMAGES = {part: DRAW.integers(0, 256, (count, 28, 28)).astype(np.uint8) for part, count in (("train", 6), ("t10k", 4))}
LABELS = {part: np.arange(len(images), dtype=np.uint8) for part, images in IMAGES.items()}
RECORDS = [DRAW.integers(0, 256, (2, 3073)).astype(np.uint8) for _ in range(6)]
for record in RECORDS:
    record[:, 0] %= 10
MESSAGES = [("ham", f"see you at {i}") if i % 3 else ("spam", f"WIN £{i} now") for i in range(10)]

MADE: dict[str, bytes] = {
    f"{part}-{kind}": gzip.compress(idx(arrays[part]))
    for part in IMAGES
    for kind, arrays in (("images-idx3-ubyte.gz", IMAGES), ("labels-idx1-ubyte.gz", LABELS))
} | {
    "cifar-10-binary.tar.gz": tar(
        {"../../evil": b"x", "cifar-10-batches-bin/readme.html": b"hello"}
        | {
            f"cifar-10-batches-bin/{name}": RECORDS[i].tobytes()
            for i, name in enumerate([*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"])
        }
    ),
    "sms+spam+collection.zip": zipped("\n".join(f"{label}\t{text}" for label, text in MESSAGES).encode()),
}


def of(kind: type[Any], server: Server) -> type[Any]:
    """The data set with files of ours, at our server."""
    for name in kind.files:
        server.files[f"/{name}"] = MADE[name]
    sums = {name: hashlib.sha256(MADE[name]).hexdigest() for name in kind.files}
    return type(kind.__name__, (kind,), {"mirrors": (server.address("/"),), "files": sums})


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_digits_and_clothes(kind: type[MNIST], server: Server, tmp_path: Path) -> None:
    ours = of(kind, server)
    for train, part in ((True, "train"), (False, "t10k")):
        data = ours(tmp_path, train, download=True)
        assert len(data) == len(IMAGES[part])
        np.testing.assert_array_equal(data.data, IMAGES[part][:, None])
        np.testing.assert_array_equal(data.targets, LABELS[part])
        image, label = data[2]
        assert (image.shape, image.dtype, label.dtype, label.item()) == ((1, 28, 28), np.uint8, np.int64, 2)
        assert repr(data).startswith(f"{kind.__name__}({'train' if train else 'test'}, {len(data)} images of shape (1, 28, 28)")
    assert len(server.log) == 4
    scaled = ours(tmp_path, transform=ToFloat(), target_transform=lambda y: -y)
    ((x, y),) = list(DataLoader(scaled, 6))
    np.testing.assert_array_equal(x.numpy(), IMAGES["train"][:, None].astype(np.float32) / 255)
    assert y.tolist() == [0, -1, -2, -3, -4, -5]
    assert len(server.log) == 4  # cached
    assert set(left_in(tmp_path)) == set(kind.files)
    assert (tmp_path / kind.__name__ / "raw").is_dir()
    (tmp_path / kind.__name__ / "raw" / "train-labels-idx1-ubyte.gz").write_bytes(b"no")
    with pytest.raises(ValueError, match="is damaged or another file"):
        ours(tmp_path)
    assert len(ours(tmp_path, download=True)) == 6


def test_photographs(server: Server, tmp_path: Path) -> None:
    ours = of(CIFAR10, server)
    root = tmp_path / "deep" / "down"
    train, test = ours(root, download=True), ours(root, train=False)
    assert (train.data.shape, test.data.shape) == ((10, 3, 32, 32), (2, 3, 32, 32))
    np.testing.assert_array_equal(test.data.reshape(2, -1), RECORDS[5][:, 1:])
    np.testing.assert_array_equal(train.targets, np.concatenate(RECORDS[:5])[:, 0])
    assert left_in(tmp_path) == ["cifar-10-binary.tar.gz"]  # nothing is unpacked, here or elsewhere


def test_messages(server: Server, tmp_path: Path) -> None:
    ours = of(SMSSpam, server)
    data = ours(tmp_path, download=True)
    assert list(zip(data.texts, data.targets.tolist(), strict=True)) == [(text, int(label == "spam")) for label, text in MESSAGES]
    train, test = ours(tmp_path, True), ours(tmp_path, False, transform=str.upper)
    assert (len(train), len(test)) == (8, 2)
    assert test[0] == ("SEE YOU AT 4", 0)
    texts, labels = next(iter(DataLoader(train, 3)))
    assert texts == ["WIN £0 now", "see you at 1", "see you at 2"]
    assert labels.tolist() == [1, 0, 0]


@pytest.mark.parametrize("kind", [MNIST, CIFAR10, SMSSpam])
def test_nothing_is_loaded_without_being_asked_for(kind: type[Any], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"^{kind.__name__}: .* is not there. download=True fetches it; root or"):
        kind(tmp_path)
    assert left_in(tmp_path) == []


def test_files_that_do_not_fit_each_other(server: Server, tmp_path: Path) -> None:
    for name, content, message in (
        ("train-labels-idx1-ubyte.gz", idx(np.zeros(5, np.uint8)), "do not fit each other: 6 images, 5 labels"),
        ("train-labels-idx1-ubyte.gz", idx(np.full(6, 10, np.uint8)), "do not fit each other"),
        ("train-images-idx3-ubyte.gz", idx(np.zeros(6, np.uint8)), r"expected images \(N, height, width\), got uint8 \(6,\)"),
    ):
        ours = of(MNIST, server)
        server.files[f"/{name}"] = gzip.compress(content)
        ours.files[name] = hashlib.sha256(server.files[f"/{name}"]).hexdigest()
        with pytest.raises(ValueError, match=message):
            ours(tmp_path / name, download=True)


# ------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize(("dtype", "code"), [("u1", 8), ("i1", 9), (">i2", 11), (">i4", 12), (">f4", 13), (">f8", 14)])
@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 5)])
def test_idx_of_every_type(dtype: str, code: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    (tmp_path / "plain").write_bytes(idx(array, code))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(array, code)))
    for name in ("plain", "packed.gz"):
        read = read_idx(tmp_path / name)
        assert read.dtype == np.dtype(dtype).newbyteorder("=")
        assert read.flags.writeable
        np.testing.assert_array_equal(read, array)


GOOD = {"idx": idx(IMAGES["train"]), "gz": MADE["train-images-idx3-ubyte.gz"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"begins with the bytes \(none\)"),
        (b"<html>not found</html>", "begins with the bytes 3c 68 74 6d, not as an IDX file does"),
        (b"\0\0\x07\x01" + bytes(8), "not as an IDX file does"),
        (b"\0\0\x08\x00", "not as an IDX file does"),
        (b"\0\0\x08\x03\0\0", "it ends within its header"),
        (GOOD["idx"][:-1], r"4704 bytes are expected for shape \(6, 28, 28\), it has only 4703"),
        (GOOD["idx"] + b"x", "it has more"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "its header promises an array of shape"),
        (b"\0\0\x08\x01\x7f\xff\xff\xff" + bytes(100), "it has only 100"),
    ],
)
def test_a_damaged_idx_file(content: bytes, message: str, tmp_path: Path) -> None:
    for name, stored in (("f", content), ("f.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(stored)
        with pytest.raises(ValueError, match=message):
            read_idx(tmp_path / name)


@given(cut=st.integers(0, len(GOOD["gz"]) - 1), flip=st.integers(0, len(GOOD["gz"]) - 1), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_any_damage_is_noticed(tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int, bit: int) -> None:
    path = tmp_path_factory.getbasetemp() / "hurt.gz"
    path.write_bytes(GOOD["gz"][:cut])
    with pytest.raises(ValueError, match=r"hurt\.gz is damaged"):
        read_idx(path)
    hurt = bytearray(GOOD["gz"])
    hurt[flip] ^= 1 << bit
    path.write_bytes(hurt)
    try:
        np.testing.assert_array_equal(read_idx(path), IMAGES["train"])  # the header of gzip has bits that mean nothing
    except ValueError as error:
        words = str(error)
    else:
        words = ""
    assert not words or "hurt.gz is damaged" in words


MEMBERS = ["cifar-10-batches-bin/test_batch.bin"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing of the kind", "is damaged: "),
        (MADE["cifar-10-binary.tar.gz"][:5000], "is damaged"),
        (tar({"other": b""}), "it has no file 'cifar-10-batches-bin/test_batch.bin'"),
        (tar({MEMBERS[0]: b"x" * 3072}), "has 3072 bytes, no multiple of 3073"),
        (tar({MEMBERS[0]: b""}), "has 0 bytes"),
    ],
    ids=["no archive", "cut off", "another file in it", "a byte too few", "empty"],  # not of the bytes, which hold the time
)
def test_a_damaged_archive(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_cifar(tmp_path / "f", MEMBERS)


def test_a_link_in_the_place_of_a_file(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        link = tarfile.TarInfo(MEMBERS[0])
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "f").write_bytes(raw.getvalue())
    with pytest.raises(ValueError, match="it has no file"):
        read_cifar(tmp_path / "f", MEMBERS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK nothing", "is damaged"),
        (MADE["sms+spam+collection.zip"][:-30], "is damaged"),
        (zipped(b"ham\tx", "other"), "There is no item named"),
        (zipped(b"maybe\tx"), "line 1: expected 'ham' or 'spam', a tabulator and a text, got 'maybe"),
        (zipped(b"ham\tx\nspam"), "line 2: expected"),
        (zipped(b"ham\t\xff"), "is damaged, or another archive: 'utf-8' codec"),
        (zipped(b"\n\n"), "is empty"),
    ],
)
def test_damaged_messages(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_sms(tmp_path / "f")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nn.data.formats.LARGEST", 1000)
    monkeypatch.setattr("nn.data.formats.LARGEST_TEXT", 1000)
    (tmp_path / "z").write_bytes(zipped(b"ham\t" + b"x" * 2000))
    with pytest.raises(ValueError, match="would have 2004 bytes"):
        read_sms(tmp_path / "z")
    (tmp_path / "t").write_bytes(tar({MEMBERS[0]: b"x" * 2000}))
    with pytest.raises(ValueError, match="would have 2000 bytes"):
        read_cifar(tmp_path / "t", MEMBERS)
    (tmp_path / "i").write_bytes(idx(np.zeros(2000, np.uint8)))
    with pytest.raises(ValueError, match="promises an array of shape"):
        read_idx(tmp_path / "i")


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 31  # pax: names of any length
    (tmp_path / "t").write_bytes(gzip.compress(header.tobuf() + bytes(1 << 20)))
    with pytest.raises(ValueError, match="a header of 2147483648 bytes"):
        read_cifar(tmp_path / "t", MEMBERS)


@pytest.mark.parametrize("read", [read_idx, read_sms, lambda path: read_cifar(path, MEMBERS)])
def test_no_file_at_all(read: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "f")
