# SPDX-License-Identifier: Apache-2.0
"""Atomic files and directories by descriptor."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from virloom.errors import SystemFailure
from virloom.host.exchange import exchange
from virloom.host.files import (
    TEMPORARY_SUFFIX,
    Directory,
    ensure_directory,
    remove_temporaries,
    write_atomic,
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files of this process cannot grow beyond *size*: a disk that is full halfway."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("durable", [True, False])
def test_a_written_file_has_data_and_exact_mode(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "record.json"
    with umask(0o077):
        write_atomic(path, b"first", 0o644, durable=durable)
        write_atomic(path, b"second", 0o640, durable=durable)
    assert path.read_bytes() == b"second"
    assert mode_of(path) == 0o640
    assert os.listdir(tmp_path) == ["record.json"]


@pytest.mark.parametrize("boot_only", [True, False])
def test_a_file_is_replaced_by_a_new_one(tmp_path: Path, boot_only: bool) -> None:
    """Whichever way: the first, which has none to replace, and those after it."""
    path = tmp_path / "record.json"
    for data in (b"first", b"second", b""):
        before = path.stat().st_ino if data != b"first" else None
        write_atomic(path, data, durable=False, boot_only=boot_only)
        assert (path.read_bytes(), os.listdir(tmp_path)) == (data, ["record.json"])
        assert path.stat().st_ino != before


def test_files_change_places(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    with pytest.raises(FileNotFoundError) as caught:
        exchange(str(one), str(other))
    assert (caught.value.filename, caught.value.filename2) == (str(one), str(other))
    other.write_bytes(b"2")
    exchange(str(one), str(other))
    assert (one.read_bytes(), other.read_bytes()) == (b"2", b"1")


def test_a_reader_keeps_the_file_that_it_opened(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, b"old")
    with path.open("rb") as reader:
        write_atomic(path, b"new")
        assert reader.read() == b"old"


def test_a_name_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomic(path, b"data")
    assert path.read_bytes() == b"data"


def test_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomic("record", b"data")
    assert (tmp_path / "record").read_bytes() == b"data"


def test_a_disk_that_is_full_halfway_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, b"old")
    with largest_file(10), pytest.raises(SystemFailure, match=r"record\.json") as failure:
        write_atomic(path, b"x" * 1000)
    assert failure.value.int1 == errno.EFBIG
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["record.json"]


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SystemFailure, match="nowhere") as failure:
        write_atomic(tmp_path / "nowhere" / "record", b"")
    assert failure.value.int1 == errno.ENOENT


def test_a_directory_in_the_way_is_reported_and_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "record").mkdir()
    with pytest.raises(SystemFailure) as failure:
        write_atomic(tmp_path / "record", b"data")
    assert failure.value.int1 == errno.EISDIR
    assert os.listdir(tmp_path) == ["record"]


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"untouched")
    link = tmp_path / "record"
    link.symlink_to(target)
    write_atomic(link, b"data")
    assert target.read_bytes() == b"untouched"
    assert not link.is_symlink()


def test_left_over_temporaries_are_removed_and_others_kept(tmp_path: Path) -> None:
    (tmp_path / f".0123{TEMPORARY_SUFFIX}").touch()
    (tmp_path / "kept.json").touch()
    (tmp_path / ".kept").touch()
    remove_temporaries(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".kept", "kept.json"]


def test_directories_are_made_with_the_exact_mode(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    with umask(0o077):
        ensure_directory(path, 0o751)
    assert [mode_of(p) for p in (path, path.parent, path.parent.parent)] == [0o751] * 3


def test_an_existing_directory_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir(mode=0o711)
    path.chmod(0o711)
    ensure_directory(path, 0o700)
    assert mode_of(path) == 0o711


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SystemFailure, match="Not a directory"):
            ensure_directory(path)


def deep(tmp_path: Path) -> Path:
    """A directory whose path no socket address can hold."""
    path = tmp_path / ("d" * 120) / ("e" * 120)
    path.mkdir(parents=True)
    return path


def test_sockets_work_in_a_directory_of_any_length(tmp_path: Path) -> None:
    with Directory(deep(tmp_path)) as directory:
        listener = directory.listen_unix("monitor.sock")
        with listener, directory.connect_unix("monitor.sock") as client:
            server, _ = listener.accept()
            with server:
                client.send(b"hello")
                server.setblocking(True)
                assert server.recv(10) == b"hello"
        assert mode_of(Path(directory.path) / "monitor.sock") == 0o600


def test_a_left_over_socket_is_replaced(tmp_path: Path) -> None:
    with Directory(tmp_path) as directory:
        directory.listen_unix("a.sock").close()
        with pytest.raises(SystemFailure) as failure:
            directory.connect_unix("a.sock")
        assert failure.value.int1 == errno.ECONNREFUSED
        with directory.listen_unix("a.sock") as listener:
            assert not listener.getblocking()
            directory.connect_unix("a.sock").close()


def test_nobody_there_is_a_system_failure(tmp_path: Path) -> None:
    with (
        Directory(tmp_path) as directory,
        pytest.raises(SystemFailure, match=r"a\.sock") as failure,
    ):
        directory.connect_unix("a.sock")
    assert failure.value.int1 == errno.ENOENT


def test_entries(tmp_path: Path) -> None:
    with Directory(tmp_path) as directory:
        os.close(directory.open("file", os.O_CREAT | os.O_WRONLY))
        (tmp_path / "dangling").symlink_to("nowhere")
        assert directory.exists("file")
        assert directory.exists("dangling")
        assert not directory.exists("other")
        assert sorted(directory.names()) == ["dangling", "file"]
        directory.unlink("file")
        directory.unlink("file")
        assert not (tmp_path / "file").exists()


def test_open_does_not_follow_a_link_out_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with Directory(tmp_path) as directory, pytest.raises(OSError) as failure:
        directory.open("link", os.O_RDONLY)
    assert failure.value.errno == errno.ELOOP


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b", "n" * 100])
def test_only_names_of_entries_that_fit_an_address(tmp_path: Path, name: str) -> None:
    with Directory(tmp_path) as directory, pytest.raises(ValueError):
        directory.path_for(name)


def test_a_closed_directory_stays_closed(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    directory.close()
    directory.close()
    assert directory.fileno() == -1
    with pytest.raises(OSError):
        directory.names()


def test_a_missing_directory_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SystemFailure, match="nowhere"):
        Directory(tmp_path / "nowhere")


def test_a_socket_that_cannot_be_bound_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a.sock").mkdir()
    with Directory(tmp_path) as directory, pytest.raises(SystemFailure):
        directory.listen_unix("a.sock")
    # That its descriptor is closed is what the leak check of every test looks at.
