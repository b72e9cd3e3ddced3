"""Files appear whole or not at all, and leave nothing beside them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO, Any

import pytest

from nn.atomic import write_whole

WAYS = ["as the system can", "with a name", "without /proc"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Also as on systems that have no files without a name, or no /proc to name them by."""
    if request.param == "with a name":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    if request.param == "without /proc":

        def refuse(*_: Any, **__: Any) -> None:
            raise OSError("no such thing")

        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for text in (b"first", b"second, longer", b"3"):
        write_whole(path, lambda stream, text=text: stream.write(text))  # type: ignore[misc]
        assert path.read_bytes() == text
        assert os.listdir(tmp_path) == ["a"]


@pytest.mark.usefixtures("way")
def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")
def test_a_process_that_is_killed_while_writing_leaves_nothing_beside(tmp_path: Path) -> None:
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_RDWR))
    except OSError:
        pytest.skip("this file system has no files without a name")
    seen: list[str] = []

    def write(stream: IO[bytes]) -> None:
        stream.write(b"new")
        stream.flush()
        seen.extend(os.listdir(tmp_path))

    write_whole(tmp_path / "a", write)
    assert not seen, "a process killed here would leave these"


@pytest.mark.usefixtures("way")
@pytest.mark.skipif(os.name != "posix", reason="rights of Unix")
def test_the_rights_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_whole(tmp_path / "ours", lambda stream: stream.write(b"x"))
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours")]
    assert modes[0] == modes[1]


@pytest.mark.usefixtures("way")
@pytest.mark.skipif(os.name != "posix", reason="Windows lets not everybody make links")
def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "real")
    write_whole(tmp_path / "link", lambda stream: stream.write(b"new"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "real").read_bytes() == b"new"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere is not there"):
        write_whole(tmp_path / "nowhere" / "a", lambda stream: stream.write(b""))
