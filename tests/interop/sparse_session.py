# SPDX-License-Identifier: Apache-2.0
"""Sparse streams by python3-libvirt: ``sparse_session.py URI``; prints what it saw."""

from __future__ import annotations

import sys
from typing import Any

import libvirt

#: What is sent: data, and holes by their length.
CONTENT: list[bytes | int] = [b"head" * 1000, 1 << 20, b"x" * 300_000, 5_000_000_000, b"tail", 77]


def receive(stream: Any) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []

    def data(_stream: Any, part: bytes, opaque: Any) -> int:
        if found and found[-1][0] == "data":
            found[-1] = ("data", found[-1][1] + len(part))
        else:
            found.append(("data", len(part)))
        return len(part)

    def hole(_stream: Any, length: int, opaque: Any) -> int:
        found.append(("hole", length))
        return 0

    stream.sparseRecvAll(data, hole, None)
    stream.finish()
    return found


def send(stream: Any) -> None:
    for part in CONTENT:
        if isinstance(part, int):
            stream.sendHole(part, 0)
        else:
            while part:
                part = part[stream.send(part[:200_000]) :]
    stream.finish()


def main() -> None:
    libvirt.registerErrorHandler(lambda context, error: None, None)
    conn = libvirt.open(sys.argv[1])
    volume = conn.storageVolLookupByPath("/pool/volume")
    stream = conn.newStream()
    volume.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
    print(receive(stream))
    stream = conn.newStream()
    volume.download(stream, 0, 0, 0)
    try:
        stream.recvHole()
    except libvirt.libvirtError as error:
        print(error.get_error_code(), error)
    stream.abort()
    stream = conn.newStream()
    volume.upload(stream, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
    send(stream)
    conn.close()


if __name__ == "__main__":
    main()
