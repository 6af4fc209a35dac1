# SPDX-License-Identifier: Apache-2.0
"""python3-libvirt at a pool of a directory: URI and directory are arguments."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from typing import Any

from tools.bench.sides import line

libvirt: Any = importlib.import_module("libvirt")

_PART = 262120
_IMAGES, _CLONE = 2000, 256 << 20


class Pool:
    """The pool, and what is measured of it.

    Args:
        directory: Of the pool; it gets what is not there.
    """

    def __init__(self, connection: Any, directory: str) -> None:
        self._connection = connection
        self._directory = directory
        document = "<pool type='dir'><name>{0}</name><target><path>{1}/{0}</path></target></pool>"
        self._pools = {}
        for name in ("many", "large"):
            os.makedirs(f"{directory}/{name}", exist_ok=True)
            self._pools[name] = connection.storagePoolCreateXML(document.format(name, directory))

    def fill(self) -> None:
        """2,000 images, one half of them qcow2."""
        head = b"QFI\xfb\0\0\0\2" + bytes(12) + b"\0\0\0\x10" + (1 << 30).to_bytes(8, "big")
        for number in range(_IMAGES):
            with open(f"{self._directory}/many/image-{number:04}", "wb") as file:
                file.write(head.ljust(65536, b"\0") if number % 2 else bytes(4096))
                file.truncate(1 << 20)

    def refresh(self) -> float:
        """Seconds."""
        return line.timed(self._pools["many"].refresh)[0]

    def start(self) -> float:
        """Seconds of a stop and a start, after which nothing is known of the images."""
        pool = self._pools["many"]
        document = pool.XMLDesc()
        pool.destroy()
        seconds, self._pools["many"] = line.timed(
            lambda: self._connection.storagePoolCreateXML(document)
        )
        return seconds

    def _volume(self, name: str, size: int) -> Any:
        pool = self._pools["large"]
        if name not in pool.listVolumes():
            pool.createXML(
                f"<volume><name>{name}</name><capacity>{size}</capacity><allocation>0</allocation>"
                "<target><format type='raw'/></target></volume>"
            )
        return pool.storageVolLookupByName(name)

    def upload(self, size: int) -> float:
        """Seconds of a dense upload."""
        volume = self._volume("dense", size)

        def write() -> None:
            stream = self._connection.newStream()
            volume.upload(stream, 0, size)
            part, left = os.urandom(_PART), size
            while left:
                left -= stream.send(part[: min(left, _PART)])
            stream.finish()

        return line.timed(write)[0]

    def download(self, size: int) -> float:
        """Seconds of a dense download of what was uploaded."""
        volume = self._volume("dense", size)
        return line.timed(lambda: self._read(volume, size, sparse=False))[0]

    def sparse(self, size: int) -> float:
        """Seconds of a sparse download of a volume that has nothing."""
        volume = self._volume("thin", size)
        return line.timed(lambda: self._read(volume, size, sparse=True))[0]

    def _read(self, volume: Any, size: int, *, sparse: bool) -> None:
        stream = self._connection.newStream()
        volume.download(stream, 0, size, 1 if sparse else 0)
        left = size
        if sparse:
            stream.sparseRecvAll(lambda *_: None, lambda _stream, length, _: None, None)
        else:
            while part := stream.recv(_PART):
                left -= len(part)
            if left:
                raise ValueError(f"{left} bytes did not come")
        stream.finish()

    def clone(self) -> float:
        """Seconds of a copy of a dense volume of 256 MiB."""
        volume = self._volume("origin", _CLONE)
        path = volume.path()
        if os.stat(path).st_blocks == 0:
            with open(path, "r+b") as file:
                for _ in range(_CLONE >> 20):
                    file.write(os.urandom(1 << 20))
        document = "<volume><name>copy</name><capacity>1</capacity></volume>"
        seconds, copy = line.timed(lambda: self._pools["large"].createXMLFrom(document, volume))
        copy.delete()
        return seconds

    def light(self, uri: str, streams: int, calls: int) -> list[float]:
        """Seconds of each of so many light calls, while so many streams run."""
        self._volume("thin", 1 << 40)
        over, threads = threading.Event(), []
        for _ in range(streams):
            threads.append(threading.Thread(target=self._stream, args=(uri, over)))
            threads[-1].start()
        time.sleep(0.5)
        try:
            return [line.timed(self._connection.getLibVersion)[0] for _ in range(calls)]
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _stream(self, uri: str, over: threading.Event) -> None:
        """A client of its own process: what it does must not hold up the one that measures."""
        child = os.fork()
        if child == 0:
            connection = libvirt.open(uri)
            pool = connection.storagePoolLookupByName("large")
            volume = pool.storageVolLookupByName("dense")
            while True:
                stream = connection.newStream()
                volume.download(stream, 0, 0)
                while stream.recv(_PART):
                    pass
                stream.finish()
        over.wait()
        os.kill(child, 9)
        os.waitpid(child, 0)


def main(uri: str, directory: str) -> None:
    """Serve requests."""
    connection = libvirt.open(uri)
    pool = Pool(connection, directory)
    handlers = ("fill", "refresh", "start", "upload", "download", "sparse", "clone")
    line.serve(
        {name: getattr(pool, name) for name in handlers}
        | {"light": lambda streams, calls: pool.light(uri, streams, calls)}
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
