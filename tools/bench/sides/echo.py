# SPDX-License-Identifier: Apache-2.0
"""The floor of asyncio: turns every message into a reply, and does nothing else."""

from __future__ import annotations

import asyncio
import struct
import sys

_LENGTH = struct.Struct(">I")
_REPLY = struct.pack(">I", 1)


class Echo(asyncio.Protocol):
    """One client; its messages are shorter than a read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            message = data[at : at + length]
            self._transport.write(message[:16] + _REPLY + message[20:])
            at += length


async def main(path: str) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_unix_server(Echo, path)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
