# SPDX-License-Identifier: Apache-2.0
"""Run as a program: images of a Ceph pool, looked at and changed by librados and librbd.

rbd(8) and rados(8) would not do: they tell neither what an image occupies nor, where no manager of
the cluster runs, what the pool does, overwrite nothing, and take some names for something else. A
program of its own, because a cluster is not trusted: whatever its answers do to the libraries, they
do it here.

Reads JSON from its standard input: ``id`` (of the user, or null), ``options`` (of Ceph's
configuration, in their order), ``pool``, and ``do``, with what that needs besides. Prints JSON: of
``list``, ``[bytes of the cluster, free ones, bytes in the pool]`` and ``[name, bytes, bytes of its
objects]`` of each image; of ``stat`` the latter of the ``image``; the same of what it has then, of
``create`` (of ``size`` bytes) and ``clone`` (of ``origin`` as it is, no smaller than that); null
of ``resize`` (to it), ``remove`` (with its ``snapshots``, or only without any), ``clear`` (with
zeros) and ``discard``. Exit status 1: it did not go well, and it prints ``[errno, words]`` instead;
errno 0 is that of an option that there is not.

Standard library only, and of that what is read quickly: it is started for each question. Calls and
layouts are those of Ceph's ``librados.h`` and ``librbd.h``.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from contextlib import contextmanager
from ctypes import (
    CFUNCTYPE,
    POINTER,
    byref,
    c_char,
    c_char_p,
    c_int,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint64,
    c_void_p,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: Bytes that are overwritten at once.
_STEP = 4 << 20


class _Cluster(ctypes.Structure):
    """``rados_cluster_stat_t``: all but the last in KiB."""

    _fields_ = [(name, c_uint64) for name in ("all", "used", "free", "objects")]


class _Pool(ctypes.Structure):
    """``rados_pool_stat_t``; what follows is not asked for, but filled in."""

    _fields_ = [("bytes", c_uint64), ("rest", c_uint64 * 31)]


class _Image(ctypes.Structure):
    """``rbd_image_info_t``."""

    _fields_ = [
        ("size", c_uint64), ("object", c_uint64), ("objects", c_uint64), ("order", c_int),
        ("prefix", c_char * 24), ("parent_pool", c_int64), ("parent", c_char * 96),
    ]  # fmt: skip


class _Snapshot(ctypes.Structure):
    """``rbd_snap_info_t``."""

    _fields_ = [("id", c_uint64), ("size", c_uint64), ("name", c_char_p)]


#: Is told each place, and its length, where an image differs.
_Differs = CFUNCTYPE(c_int, c_uint64, c_size_t, c_int, c_void_p)

#: What each function takes; all but ``rbd_write`` and ``rbd_discard`` give an int below 0 or not.
_RADOS: dict[str, tuple[Any, ...]] = {
    "rados_create": (POINTER(c_void_p), c_char_p),
    "rados_conf_set": (c_void_p, c_char_p, c_char_p),
    "rados_connect": (c_void_p,),
    "rados_ioctx_create": (c_void_p, c_char_p, POINTER(c_void_p)),
    "rados_cluster_stat": (c_void_p, POINTER(_Cluster)),
    "rados_ioctx_pool_stat": (c_void_p, POINTER(_Pool)),
}
_RBD: dict[str, tuple[Any, ...]] = {
    "rbd_list": (c_void_p, c_char_p, POINTER(c_size_t)),
    "rbd_open": (c_void_p, c_char_p, POINTER(c_void_p), c_char_p),
    "rbd_open_read_only": (c_void_p, c_char_p, POINTER(c_void_p), c_char_p),
    "rbd_stat": (c_void_p, POINTER(_Image), c_size_t),
    "rbd_write": (c_void_p, c_uint64, c_size_t, c_char_p),
    "rbd_discard": (c_void_p, c_uint64, c_uint64),
    "rbd_flush": (c_void_p,),
    "rbd_create": (c_void_p, c_char_p, c_uint64, POINTER(c_int)),
    "rbd_clone2": (
        c_void_p, c_char_p, c_char_p, c_void_p, c_char_p, c_uint64, POINTER(c_int), c_uint64, c_int,
    ),
    "rbd_resize": (c_void_p, c_uint64),
    "rbd_remove": (c_void_p, c_char_p),
    "rbd_get_features": (c_void_p, POINTER(c_uint64)),
    "rbd_get_stripe_unit": (c_void_p, POINTER(c_uint64)),
    "rbd_get_stripe_count": (c_void_p, POINTER(c_uint64)),
    "rbd_snap_list": (c_void_p, POINTER(_Snapshot), POINTER(c_int)),
    "rbd_snap_list_end": (POINTER(_Snapshot),),
    "rbd_snap_create": (c_void_p, c_char_p),
    "rbd_snap_remove": (c_void_p, c_char_p),
    "rbd_snap_protect": (c_void_p, c_char_p),
    "rbd_snap_unprotect": (c_void_p, c_char_p),
    "rbd_snap_is_protected": (c_void_p, c_char_p, POINTER(c_int)),
    "rbd_diff_iterate2": (
        c_void_p, c_char_p, c_uint64, c_uint64, c_uint8, c_uint8, _Differs, c_void_p,
    ),
    "rbd_close": (c_void_p,),
}  # fmt: skip


class _Opened:
    """An image, and what it is."""

    def __init__(self, image: c_void_p, found: _Image) -> None:
        self.image, self.found = image, found


class Failed(Exception):
    """The cluster does not do as it is asked."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


def load() -> tuple[Any, Any]:
    """Both libraries, with the signatures of what is used of them.

    Raises:
        Failed: They are not installed.
    """
    try:
        found = ctypes.CDLL("librados.so.2"), ctypes.CDLL("librbd.so.1")
    except OSError as exc:
        raise Failed(errno.ELIBACC, f"librbd is not installed: {exc}") from exc
    for library, signatures in zip(found, (_RADOS, _RBD), strict=True):
        for name, arguments in signatures.items():
            getattr(library, name).argtypes = arguments
    found[1].rbd_write.restype = ctypes.c_ssize_t
    return found


def _must(code: int, words: str) -> int:
    if code < 0:
        raise Failed(-code, words)
    return code


class Images:
    """The images of a pool of a cluster; the connection ends with the process.

    Args:
        asked: What the program has read.

    Raises:
        Failed: There is no such pool, or the cluster does not answer or let us in.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        self._rados, self._rbd = load()
        self._cluster, self._pool = c_void_p(), c_void_p()
        user = asked["id"]
        made = self._rados.rados_create(byref(self._cluster), user.encode() if user else None)
        _must(made, "failed to initialize RADOS")
        for name, value in asked["options"]:
            if self._rados.rados_conf_set(self._cluster, name.encode(), value.encode()) < 0:
                raise Failed(0, f"failed to set RADOS option: {name}")
        where = dict(asked["options"])["mon_host"]
        said = f"failed to connect to the RADOS monitor on: {where}"
        _must(self._rados.rados_connect(self._cluster), said)
        pool = asked["pool"]
        opened = self._rados.rados_ioctx_create(self._cluster, pool.encode(), byref(self._pool))
        _must(opened, f"failed to open Ceph pool '{pool}'")

    def measure(self) -> list[int]:
        """Bytes of the cluster, its free ones, and those in the pool."""
        cluster, pool = _Cluster(), _Pool()
        said = "failed to stat the RADOS cluster"
        _must(self._rados.rados_cluster_stat(self._cluster, byref(cluster)), said)
        said = "failed to stat the RADOS pool"
        _must(self._rados.rados_ioctx_pool_stat(self._pool, byref(pool)), said)
        return [cluster.all * 1024, cluster.free * 1024, pool.bytes]

    def all(self) -> Iterator[tuple[str, int, int]]:
        """All images; one that goes away meanwhile is left out."""
        size = c_size_t(1024)
        code = -errno.ERANGE
        while code == -errno.ERANGE:  # it has told how much it takes
            names = ctypes.create_string_buffer(size.value)
            code = self._rbd.rbd_list(self._pool, names, byref(size))
        _must(code, "failed to list the RBD images")
        for name in names.raw[:code].split(b"\0"):
            try:
                if name:
                    yield self.stat(os.fsdecode(name))
            except Failed as exc:
                if exc.code != errno.ENOENT:
                    raise

    def stat(self, name: str) -> tuple[str, int, int]:
        """One image: its name, its size, and the size of all the objects that it may have."""
        with self._opened(name, writing=False) as opened:
            found = opened.found
            return name, found.size, found.object * found.objects

    def create(self, name: str, size: int) -> None:
        """A new image, of objects as the cluster wants them."""
        code = self._rbd.rbd_create(self._pool, os.fsencode(name), size, byref(c_int()))
        _must(code, f"failed to create RBD image '{name}'")

    def clone(self, origin: str, name: str, size: int) -> None:
        """A new image that shares what is in another one now, by a protected snapshot of that.

        It has that size, or the origin's if that is larger.

        A snapshot that is the same is taken, ours of before or anyone's; so whatever a clone has
        left that was cut off, the next one uses.
        """
        with self._opened(origin, writing=True) as opened:
            snapshot = self._same_snapshot(opened) or self._new_snapshot(opened)
            self._protect(opened, snapshot)
            features, unit, count = c_uint64(), c_uint64(), c_uint64()
            for found, ask in (
                (features, self._rbd.rbd_get_features),
                (unit, self._rbd.rbd_get_stripe_unit),
                (count, self._rbd.rbd_get_stripe_count),
            ):
                _must(ask(opened.image, byref(found)), f"failed to stat the RBD image '{origin}'")
            code = self._rbd.rbd_clone2(
                self._pool, os.fsencode(origin), snapshot, self._pool, os.fsencode(name),
                features, byref(c_int(opened.found.order)), unit, count.value,
            )  # fmt: skip
            _must(code, f"failed to clone RBD image '{origin}' to '{name}'")
        if size > opened.found.size:
            self.resize(name, size)

    def resize(self, name: str, size: int) -> None:
        """Gives an image that size, in bytes."""
        with self._opened(name, writing=True) as opened:
            code = self._rbd.rbd_resize(opened.image, size)
            _must(code, f"failed to resize the RBD image '{name}'")

    def remove(self, name: str, *, snapshots: bool) -> None:
        """Deletes an image; one that is gone already is no error.

        Args:
            snapshots: With those that it has; else it may have none.
        """
        if snapshots:
            self._remove_snapshots(name)
        code = self._rbd.rbd_remove(self._pool, os.fsencode(name))
        if code != -errno.ENOENT:
            _must(code, f"failed to remove RBD image '{name}'")

    def overwrite(self, name: str, *, discard: bool) -> None:
        """Fills an image with zeros, or gives all of its objects back."""
        zeros = bytes(_STEP)
        with self._opened(name, writing=True) as opened:
            image, found = opened.image, opened.found
            for place in range(0, found.size, _STEP):
                length = min(_STEP, found.size - place)
                if discard:
                    code = self._rbd.rbd_discard(image, place, length)
                else:
                    code = self._rbd.rbd_write(image, place, length, zeros)
                _must(code, f"writing to RBD image '{name}' failed")
            _must(self._rbd.rbd_flush(image), f"writing to RBD image '{name}' failed")

    # -- snapshots -----------------------------------------------------------------------------

    def _snapshots(self, image: c_void_p) -> list[tuple[bytes, int]]:
        """The names and sizes of those of an image."""
        room, code = c_int(16), -errno.ERANGE
        while code == -errno.ERANGE:  # it has told how many there are
            found = (_Snapshot * room.value)()
            code = self._rbd.rbd_snap_list(image, found, byref(room))
        _must(code, "failed to list the snapshots of an RBD image")
        told = [(each.name, each.size) for each in found[:code]]
        if code > 0:
            self._rbd.rbd_snap_list_end(found)
        return told

    def _same_snapshot(self, opened: _Opened) -> bytes | None:
        """A snapshot that the image does not differ from."""

        def differs(place: int, length: int, there: int, data: int | None) -> int:
            return -errno.EEXIST  # enough is known

        callback = _Differs(differs)
        for name, size in self._snapshots(opened.image):
            if size == opened.found.size:
                code = self._rbd.rbd_diff_iterate2(
                    opened.image, name, 0, size, 0, 1, callback, None
                )
                if code == 0:
                    return name
                if code != -errno.EEXIST:
                    _must(code, "failed to compare an RBD image with its snapshot")
        return None

    def _new_snapshot(self, opened: _Opened) -> bytes:
        name = f"libvirt-{int.from_bytes(os.urandom(2), 'little')}".encode()
        code = self._rbd.rbd_snap_create(opened.image, name)
        _must(code, f"failed to create RBD snapshot '{name.decode()}'")
        return name

    def _protect(self, opened: _Opened, name: bytes) -> None:
        if not self._is_protected(opened.image, name):
            code = self._rbd.rbd_snap_protect(opened.image, name)
            _must(code, f"failed to protect snapshot '{os.fsdecode(name)}'")

    def _is_protected(self, image: c_void_p, name: bytes) -> bool:
        found = c_int()
        code = self._rbd.rbd_snap_is_protected(image, name, byref(found))
        _must(code, f"failed to look at snapshot '{os.fsdecode(name)}'")
        return bool(found.value)

    def _remove_snapshots(self, name: str) -> None:
        """All of an image, or none behind the first that copies share."""
        with self._opened(name, writing=True) as opened:
            image = opened.image
            for snapshot, _size in self._snapshots(image):
                what = f"snapshot '{name}@{os.fsdecode(snapshot)}'"
                if self._is_protected(image, snapshot):
                    code = self._rbd.rbd_snap_unprotect(image, snapshot)
                    _must(code, f"failed to unprotect {what}")
                code = self._rbd.rbd_snap_remove(image, snapshot)
                _must(code, f"failed to remove {what}")

    @contextmanager
    def _opened(self, name: str, *, writing: bool) -> Iterator[_Opened]:
        image, found = c_void_p(), _Image()
        function = self._rbd.rbd_open if writing else self._rbd.rbd_open_read_only
        opened = function(self._pool, os.fsencode(name), byref(image), None)
        _must(opened, f"failed to open the RBD image '{name}'")
        try:
            code = self._rbd.rbd_stat(image, byref(found), ctypes.sizeof(found))
            _must(code, f"failed to stat the RBD image '{name}'")
            yield _Opened(image, found)
        finally:
            self._rbd.rbd_close(image)


def _answer(images: Images, asked: dict[str, Any]) -> Any:
    what, image = asked["do"], asked.get("image") or ""
    if what == "list":
        return images.measure(), list(images.all())
    if what == "create":
        images.create(image, asked["size"])
    if what == "clone":
        images.clone(asked["origin"], image, asked["size"])
    if what in ("stat", "create", "clone"):
        return images.stat(image)
    if what == "resize":
        return images.resize(image, asked["size"])
    if what == "remove":
        return images.remove(image, snapshots=asked["snapshots"])
    return images.overwrite(image, discard=what == "discard")


def main() -> int:
    """The program."""
    asked = json.load(sys.stdin)
    try:
        print(json.dumps(_answer(Images(asked), asked)))
    except Failed as exc:
        print(json.dumps([exc.code, str(exc)]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
