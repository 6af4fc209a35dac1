# SPDX-License-Identifier: Apache-2.0
"""The content of volumes, sent from files and received into them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.words import storage_objects
from virloom.endpoint.stream import Hole
from virloom.enums.storage import StorageVolDownloadFlags, StorageVolUploadFlags
from virloom.errors import system_failure

if TYPE_CHECKING:
    from virloom.client.stream import Stream

_CHUNK = 256 * 1024


@command("vol-upload")
async def upload(session: Session, arguments: Arguments) -> None:
    """Write a file's content into a volume, with ``--sparse`` its holes as holes."""
    offset, length = _range(arguments)
    volume, word = await storage_objects.volume(session, arguments)
    path = arguments.text("file")
    flags = arguments.flag("sparse", StorageVolUploadFlags.STREAM)
    with _source(path) as file:
        with failing(f"cannot upload to volume {word}"):
            stream = await volume.upload(offset, length, flags)
        async with stream:
            with failing(f"cannot send data to volume {word}"):
                await _send(stream, file, sparse="sparse" in arguments)
            with failing(f"cannot close volume {word}"):
                await stream.close()


@command("vol-download")
async def download(session: Session, arguments: Arguments) -> None:
    """Write a volume's content into a file, with ``--sparse`` its holes as holes."""
    offset, length = _range(arguments)
    volume, word = await storage_objects.volume(session, arguments)
    path = arguments.text("file")
    flags = arguments.flag("sparse", StorageVolDownloadFlags.STREAM)
    with _target(path) as file:
        with failing(f"cannot download from volume {word}"):
            stream = await volume.download(offset, length, flags)
        async with stream:
            with failing(f"cannot receive data from volume {word}"):
                await _receive(stream, file)
            with failing(f"cannot close volume {word}"):
                await stream.close()


def _range(arguments: Arguments) -> tuple[int, int]:
    return arguments.ulonglong("offset") or 0, arguments.wrapping("length") or 0


@contextmanager
def _source(path: str) -> Iterator[int]:
    """A descriptor to read from."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise CommandFailed(f"cannot read {path}") from None
    with _closing(descriptor):
        yield descriptor


@contextmanager
def _target(path: str) -> Iterator[int]:
    """A descriptor to write to; the file is removed on failure if it was not there before."""
    descriptor, is_new = _opened(path)
    try:
        with _closing(descriptor):
            yield descriptor
    except BaseException:
        if is_new:
            with suppress(OSError):
                os.unlink(path)
        raise


def _opened(path: str) -> tuple[int, bool]:
    """A descriptor of a file, and whether the file is a new one."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            return os.open(path, flags | os.O_TRUNC), False
    except OSError:
        raise CommandFailed(f"cannot create {path}") from None


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Makes a driver's error of a file's."""
    try:
        yield
    except OSError as error:
        raise system_failure(doing, error) from error


async def _send(stream: Stream, source: int, *, sparse: bool) -> None:
    for part in _sections(source) if sparse else _chunks(source, None):
        if isinstance(part, Hole):
            await stream.write_hole(part.length)
        else:
            await stream.write(part)


def _sections(source: int) -> Iterator[bytes | Hole]:
    """The content of a file, with its holes as what they are."""
    with _explained("send holeHandler failed"):
        end = os.lseek(source, 0, os.SEEK_END)
        at = 0
    while at < end:
        data, hole = _next_section(source, at, end)
        if data > at:
            yield Hole(data - at)
        with _explained("send holeHandler failed"):
            os.lseek(source, data, os.SEEK_SET)
        yield from _chunks(source, hole - data)
        at = hole


def _next_section(source: int, at: int, end: int) -> tuple[int, int]:
    """Where the next data from *at* on begin and end."""
    with _explained("send holeHandler failed"):
        try:
            data = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return end, end
            raise
        return data, os.lseek(source, data, os.SEEK_HOLE)


def _chunks(source: int, limit: int | None) -> Iterator[bytes]:
    """At most *limit* bytes of a file, from where it stands."""
    while limit is None or limit > 0:
        with _explained("send handler failed"):
            chunk = os.read(source, _CHUNK if limit is None else min(_CHUNK, limit))
        if not chunk:
            return
        if limit is not None:
            limit -= len(chunk)
        yield chunk


async def _receive(stream: Stream, target: int) -> None:
    while part := await stream.read_sparse(_CHUNK):
        with _explained("recv handler failed"):
            if isinstance(part, Hole):
                os.ftruncate(target, os.lseek(target, part.length, os.SEEK_CUR))
            else:
                _write(target, part)


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
