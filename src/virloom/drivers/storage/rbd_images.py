# SPDX-License-Identifier: Apache-2.0
"""Run as a program: looks at images of a Ceph pool and overwrites them, by librados and librbd.

rbd(8) and rados(8) would not do: they tell neither what an image occupies nor, where no manager of
the cluster runs, what the pool does, and overwrite nothing. A program of its own, because a cluster
is not trusted: whatever its answers do to the libraries, they do it here.

Reads JSON from its standard input: ``id`` (of the user, or null), ``options`` (of Ceph's
configuration, in their order), ``pool``, and ``do``: ``measure``, ``list``, ``stat``, ``clear`` or
``discard``, the latter three with an ``image``. Prints JSON: of ``measure``, ``[bytes of the
cluster, free ones, bytes in the pool]``; of ``list``, ``[name, bytes, bytes of its objects]`` of
each image; of ``stat``, the same of one. Exit status 1: it did not go well, and it prints
``[errno, words]`` instead; errno 0 is that of an option that there is not.

Standard library only. Calls and layouts are those of Ceph's ``librados.h`` and ``librbd.h``.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p
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
    "rbd_close": (c_void_p,),
}


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
        with self._opened(name, writing=False) as (_, found):
            return name, found.size, found.object * found.objects

    def overwrite(self, name: str, *, discard: bool) -> None:
        """Fills an image with zeros, or gives all of its objects back."""
        zeros = bytes(_STEP)
        with self._opened(name, writing=True) as (image, found):
            for place in range(0, found.size, _STEP):
                length = min(_STEP, found.size - place)
                if discard:
                    code = self._rbd.rbd_discard(image, place, length)
                else:
                    code = self._rbd.rbd_write(image, place, length, zeros)
                _must(code, f"writing to RBD image '{name}' failed")
            _must(self._rbd.rbd_flush(image), f"writing to RBD image '{name}' failed")

    @contextmanager
    def _opened(self, name: str, *, writing: bool) -> Iterator[tuple[c_void_p, _Image]]:
        image, found = c_void_p(), _Image()
        function = self._rbd.rbd_open if writing else self._rbd.rbd_open_read_only
        opened = function(self._pool, os.fsencode(name), byref(image), None)
        _must(opened, f"failed to open the RBD image '{name}'")
        try:
            code = self._rbd.rbd_stat(image, byref(found), ctypes.sizeof(found))
            _must(code, f"failed to stat the RBD image '{name}'")
            yield image, found
        finally:
            self._rbd.rbd_close(image)


def _answer(images: Images, what: str, image: str) -> Any:
    if what == "measure":
        return images.measure()
    if what == "list":
        return list(images.all())
    if what == "stat":
        return images.stat(image)
    return images.overwrite(image, discard=what == "discard")


def main() -> int:
    """The program."""
    asked = json.load(sys.stdin)
    try:
        print(json.dumps(_answer(Images(asked), asked["do"], asked["image"])))
    except Failed as exc:
        print(json.dumps([exc.code, str(exc)]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
