"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from engine.files import replacing, write_atomically

MANY = st.binary(max_size=100_000) | st.text(st.characters(exclude_categories=["Cs"]))


@given(MANY, MANY)
def test_a_file_is_written_and_replaced_as_a_whole(
    tmp_path_factory: pytest.TempPathFactory, first: str | bytes, second: str | bytes
) -> None:
    path = tmp_path_factory.mktemp("files") / "file"
    for data in (first, second):
        write_atomically(path, data)
        assert path.read_bytes() == (data if isinstance(data, bytes) else data.encode("utf-8"))
        assert os.listdir(path.parent) == ["file"]


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "a\ud800b")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "a?b"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_half_way_changes_nothing(tmp_path: Path, error: type[BaseException], before: str | None) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_text(before)

    def write_half() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert os.listdir(tmp_path) == ([] if before is None else ["file"])
    if before is not None:
        assert path.read_text() == before


def test_a_folder_is_not_replaced_and_no_temporary_file_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", "data")
    assert os.listdir(tmp_path) == ["folder"]
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "file", "data")


def test_until_it_is_complete_the_old_file_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
        (temporary,) = set(os.listdir(tmp_path)) - {"file"}
        assert temporary.startswith(".file."), "hidden, and recognisable if the process is killed"
    assert path.read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_it_gets_the_permissions_of_any_new_file(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", b"")
        (tmp_path / "other").write_bytes(b"")
    finally:
        left = os.umask(before)
    assert left == umask, "the process keeps its umask"
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("file", "other")}
    assert modes == {0o666 & ~umask}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="lists the open files of the process")
def test_no_file_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for data in ("a", "b", "c"):
        write_atomically(tmp_path / "file", data)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.name != "posix", reason="folders are synced on POSIX only")
def test_a_file_takes_its_name_when_its_data_is_on_the_disk_and_then_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the operating system is asked for, in order: after a power failure there is the old file or the new one."""
    asked: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle: int) -> None:
        found = os.fstat(handle)
        asked.append(("folder", 0) if stat.S_ISDIR(found.st_mode) else ("file", found.st_size))
        fsync(handle)

    def watched_replace(source: str, target: Path) -> None:
        asked.append(("replace", 0))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write_atomically(tmp_path / "file", b"12345")
    assert asked == [("file", 5), ("replace", 0), ("folder", 0)]
