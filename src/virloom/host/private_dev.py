# SPDX-License-Identifier: Apache-2.0
"""A mount namespace with a ``/dev`` of its own, and device nodes made in it later.

Runs in the spawn helper's children. The new ``/dev`` is put together while it is mounted nowhere,
and no directory of the host is needed for it: a kill at any moment leaves nothing behind, for the
namespace goes with its last process.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from virloom.host import syscalls
from virloom.host.device_nodes import DEV, Node

_OPTIONS = {"mode": "755", "size": "65536"}
"""As libvirt 9 mounts it (``size=64k``)."""


def enter(nodes: Sequence[Node], context: str | None) -> None:
    """Leave the host's mount namespace for one whose ``/dev`` is as ordered.

    Mounts below the present ``/dev`` (pts, shm, mqueue, hugepages) stay, and what the host mounts
    there or elsewhere later is seen too.

    Args:
        nodes: What it has besides.
        context: SELinux label of the directory itself, where there is SELinux.

    Raises:
        OSError: The kernel refuses.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.make_slave("/")
    kept = [(path, syscalls.clone_tree(path)) for path in _mounts_below(DEV)]
    root = syscalls.new_tmpfs("devfs", _OPTIONS | _context(context))
    for path, _ in kept:
        _make_mount_point(root, path)
    taken = {path for path, _ in kept}
    for node in nodes:
        if node.path not in taken:
            make(node, root)
    for path in _uppermost(_mount_points(DEV)):
        _uncover(path)  # each waits for the kernel, so as few as possible
    syscalls.attach(root, DEV)
    os.close(root)
    for path, tree in kept:
        syscalls.attach(tree, path)
        os.close(tree)


def _context(label: str | None) -> dict[str, str]:
    return {} if label is None else {"rootcontext": label}


def _mount_points(directory: str) -> list[str]:
    """What is mounted at *directory* and below it; several times where several lie there."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = sorted(_unescaped(line.split()[4]) for line in file)
    return [point for point in points if f"{point}/".startswith(f"{directory}/")]


def _uppermost(points: list[str]) -> list[str]:
    """The mounts that take all others below them along; one that lies on others several times."""
    return (
        [point for point in points if point == points[0]] if points[:1] == [DEV] else points[::-1]
    )


def _mounts_below(directory: str) -> list[str]:
    """The outermost mounts below *directory*; each brings along what is mounted below it."""
    found: list[str] = []
    for point in _mount_points(directory):
        if point != directory and not (found and f"{point}/".startswith(f"{found[-1]}/")):
            found.append(point)
    return found


def _uncover(path: str) -> None:
    """Take a mount away in this namespace; one that may not be taken away is mounted over."""
    try:
        syscalls.unmount(path)
    except OSError as error:
        if error.errno != errno.EINVAL:  # locked by a container's user namespace
            raise


def _unescaped(text: str) -> str:
    """A path as proc(5) writes it: blanks and backslashes are three octal digits."""
    first, *others = text.split("\\")
    return first + "".join(chr(int(other[:3], 8)) + other[3:] for other in others)


def _make_mount_point(root: int, path: str) -> None:
    inside = os.path.relpath(path, DEV)
    if os.path.isdir(path):
        _make_directories(root, inside)
        return
    _make_directories(root, os.path.dirname(inside))
    os.close(os.open(inside, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=root))


def _make_directories(root: int, path: str) -> None:
    made = ""
    for name in path.split("/") if path else ():
        made = os.path.join(made, name)
        try:
            os.mkdir(made, 0o755, dir_fd=root)
        except FileExistsError:
            continue
        os.chmod(made, 0o755, dir_fd=root)  # whatever the umask


def make(node: Node, root: int) -> None:
    """Make a node, or take over one that is there already.

    Args:
        root: A descriptor of the ``/dev`` that it is made in.

    Raises:
        OSError: The kernel refuses.
    """
    inside = os.path.relpath(node.path, DEV)
    _make_directories(root, os.path.dirname(inside))
    try:
        if stat.S_ISLNK(node.mode):
            os.symlink(node.target, inside, dir_fd=root)
            return
        os.mknod(inside, node.mode, node.device, dir_fd=root)
    except FileExistsError:
        found = os.stat(inside, dir_fd=root, follow_symlinks=False)
        if stat.S_ISLNK(node.mode) or found.st_rdev != node.device:
            os.unlink(inside, dir_fd=root)
            make(node, root)
            return
    os.chown(inside, node.uid, node.gid, dir_fd=root, follow_symlinks=False)
    os.chmod(inside, stat.S_IMODE(node.mode), dir_fd=root)
    if node.label is not None:
        os.setxattr(f"/proc/self/fd/{root}/{inside}", "security.selinux", node.label.encode())


def change(namespace: int, made: Sequence[Node], removed: Sequence[str]) -> None:
    """Make and remove nodes in the mount namespace of a running process.

    Args:
        namespace: A descriptor of its ``/proc/PID/ns/mnt``.
        removed: Paths; one that is missing is no error.

    Raises:
        OSError: The kernel refuses, or the process has no ``/dev`` of its own.
    """
    host = os.stat(DEV)
    syscalls.setns(namespace, syscalls.CLONE_NEWNS)
    if os.path.samestat(host, os.stat(DEV)):
        raise OSError(errno.EXDEV, "its /dev is the host's")
    root = os.open(DEV, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for node in made:
        make(node, root)
    for path in removed:
        try:
            os.unlink(os.path.relpath(path, DEV), dir_fd=root)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
    os.close(root)
