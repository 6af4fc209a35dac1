# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or absent, and directories held by descriptor."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from types import TracebackType

from virloom.errors import system_failure

TEMPORARY_SUFFIX = ".tmp~"
"""How the names end that :func:`write_atomic` uses on the way; a crash may leave such a file."""

_SUN_PATH = 107
"""Bytes of a socket's path that the kernel takes, its terminating zero left out (unix(7))."""


def write_atomic(
    path: str | os.PathLike[str],
    data: bytes,
    mode: int = 0o600,
    *,
    durable: bool = True,
    sync_parent: bool = True,
    boot_only: bool = False,
) -> None:
    """Replace *path* by a file with *data*: readers and crashes see the old one or the new one.

    Args:
        mode: The exact permissions of the new file, whatever the umask.
        durable: Also survive loss of power (fsync of file and directory, milliseconds on a real
            disk). Without it the file still survives the death of this process, which is all
            that state of the current boot needs.
        sync_parent: False where the caller synchronizes the directory afterwards, for several
            files at once (:func:`sync_directory`).
        boot_only: The file means nothing after this boot: a loss of power may leave it empty. So
            it need not wait for the disk at all, as the replacement of a file does on ext4, which
            writes the new one's data out first.

    Raises:
        SystemFailure: It failed (a full disk, say); the old file is as it was, and nothing is
            left beside it.
    """
    target = os.fspath(path)
    directory = os.path.dirname(target)
    # A name may be as long as the file system allows, so the temporary one is not built from it.
    temporary = os.path.join(directory, f".{os.urandom(8).hex()}{TEMPORARY_SUFFIX}")
    try:
        _write_new(temporary, data, mode, durable)
        if not (boot_only and _exchanged(temporary, target)):
            os.rename(temporary, target)
        if durable and sync_parent:
            sync_directory(directory or ".")
    except BaseException as error:
        with contextlib.suppress(OSError):  # it may not even have come to be; the cause counts
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise system_failure(f"Unable to write '{target}'", error) from error
        raise


def _exchanged(temporary: str, target: str) -> bool:
    """Replaces a file without its removal by the rename; False where that cannot be."""
    from virloom.host.exchange import exchange  # loads ctypes

    try:
        exchange(temporary, target)
    except OSError:  # nothing is there yet, or the file system cannot: a rename says what is wrong
        return False
    with contextlib.suppress(OSError):  # it is found, and removed, by the next owner
        os.unlink(temporary)
    return True


def _write_new(path: str, data: bytes, mode: int, durable: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fchmod(fd, mode)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def sync_directory(path: str) -> None:
    """Makes what was made, renamed and removed in the directory *path* survive loss of power."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_temporaries(directory: str | os.PathLike[str]) -> None:
    """Remove what killed writers left in *directory*; only for one whose lock the caller holds."""
    for name in os.listdir(directory):
        if name.startswith(".") and name.endswith(TEMPORARY_SUFFIX):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(directory, name))


def ensure_directory(path: str | os.PathLike[str], mode: int = 0o700) -> None:
    """Make *path* and its parents where they are missing; existing ones are left as they are.

    Args:
        mode: The exact permissions of each directory that is made, whatever the umask.

    Raises:
        SystemFailure: It cannot be made, is no directory, or may not be written.
    """
    target = os.fspath(path)
    try:
        _make_directories(target, mode)
        if not stat.S_ISDIR(os.stat(target).st_mode):
            raise NotADirectoryError(20, os.strerror(20), target)
        if not os.access(target, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(13, os.strerror(13), target)
    except OSError as error:
        raise system_failure(f"Unable to use the directory '{target}'", error) from error


def _make_directories(path: str, mode: int) -> None:
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return
    except FileNotFoundError:
        parent = os.path.dirname(path.rstrip("/"))
        if not parent or parent == path:
            raise
        _make_directories(parent, mode)
        # Once more and no further: in /proc and the like it is not for want of a parent.
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, mode)
    os.chmod(path, mode)


class Directory:
    """An open directory, whose entries are reached by short paths however long its own is.

    Names are single components. Usable as a context manager; closing is the owner's duty.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise system_failure(f"Unable to open the directory '{self.path}'", error) from error

    def fileno(self) -> int:
        """The descriptor, -1 once closed."""
        return self._fd

    def path_for(self, name: str) -> str:
        """A path of *name* that works in this process, and fits a socket address.

        Raises:
            ValueError: *name* is no single component, or too long for a socket address.
        """
        path = f"/proc/self/fd/{self._fd}/{_component(name)}"
        if len(os.fsencode(path)) > _SUN_PATH:
            raise ValueError(f"'{name}' is too long for a socket in '{self.path}'")
        return path

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """Open *name*, close-on-exec, without following a symbolic link."""
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(_component(name), flags, mode, dir_fd=self._fd)

    def unlink(self, name: str) -> None:
        """Remove *name*; it is no error when there is none."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_component(name), dir_fd=self._fd)

    def exists(self, name: str) -> bool:
        """Whether there is an entry *name*, a dangling symbolic link included."""
        try:
            os.stat(_component(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def names(self) -> list[str]:
        """The entries, in no order."""
        return os.listdir(f"/proc/self/fd/{self._fd}")  # listdir(-1) would list the working one

    def listen_unix(self, name: str, mode: int = 0o600, backlog: int = 1) -> socket.socket:
        """A listening, non-blocking stream socket bound to *name*; a left-over socket is replaced.

        Raises:
            SystemFailure: It cannot be bound.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self.unlink(name)
            listener.bind(self.path_for(name))
            os.chmod(name, mode, dir_fd=self._fd)
            listener.listen(backlog)
        except OSError as error:
            listener.close()
            raise system_failure(f"Unable to listen on '{self.path}/{name}'", error) from error
        except BaseException:
            listener.close()
            raise
        return listener

    def connect_unix(self, name: str) -> socket.socket:
        """A non-blocking stream socket connected to *name*.

        A UNIX socket's connect is decided at once, so nothing waits here.

        Raises:
            SystemFailure: Nobody listens (ECONNREFUSED, ENOENT), or the queue is full (EAGAIN).
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            connection.connect(self.path_for(name))
        except OSError as error:
            connection.close()
            raise system_failure(f"Unable to connect to '{self.path}/{name}'", error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Directory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _component(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise ValueError(f"'{name}' is not the name of a directory entry")
    return name
