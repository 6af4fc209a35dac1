# SPDX-License-Identifier: Apache-2.0
"""python3-libvirt that reads and writes a volume: URI and path of the volume are arguments."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from tools.bench.sides import line

libvirt: Any = importlib.import_module("libvirt")

_PART = 262120


def _made(connection: Any, folder: str, name: str) -> Any:
    """A volume in a pool of its own, where there is none: a sparse file."""
    pool = connection.storagePoolCreateXML(
        f"<pool type='dir'><name>bench</name><target><path>{folder}</path></target></pool>",
        libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD,
    )
    return pool.createXML(
        f"<volume><name>{name}</name><capacity unit='GiB'>1</capacity><allocation>0</allocation>"
        "<target><format type='raw'/></target></volume>"
    )


def main(uri: str, path: str) -> None:
    """Serve requests; each answers the seconds that so many bytes took."""
    connection = libvirt.open(uri)
    try:
        volume = connection.storageVolLookupByPath(path)
    except libvirt.libvirtError:
        volume = _made(connection, *path.rsplit("/", 1))

    def download(size: int) -> float:
        def read() -> None:
            stream = connection.newStream()
            volume.download(stream, 0, size)
            left = size
            while part := stream.recv(_PART):
                left -= len(part)
            stream.finish()
            if left:
                raise ValueError(f"{left} bytes did not come")

        return line.timed(read)[0]

    def upload(size: int) -> float:
        def write() -> None:
            stream = connection.newStream()
            volume.upload(stream, 0, size)
            part, left = bytes(_PART), size
            while left:
                left -= stream.send(part[: min(left, _PART)])
            stream.finish()

        return line.timed(write)[0]

    line.serve({"download": download, "upload": upload})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
