# SPDX-License-Identifier: Apache-2.0
"""``virt-ssh-helper``: what a client on another host runs here by ssh.

It connects to the daemon of a URI, which it knows how to find and to start, and passes the bytes
on between that and its standard streams until either of them ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from virloom.client.address import starts_on_demand, transport_of, unix_socket
from virloom.client.session_daemon import connect_or_start
from virloom.errors import InvalidArg, VirloomError, system_failure
from virloom.transport.unix import SocketTransport, connect_unix
from virloom.uri import ConnectURI


def main() -> int:
    """The program."""
    options = _parser().parse_args()
    try:
        return asyncio.run(_bridge(ConnectURI.parse(options.uri), readonly=options.readonly))
    except VirloomError as error:
        print(f"virt-ssh-helper: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        pass
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="virt-ssh-helper", description="Passes a remote client on to the daemon of a URI."
    )
    parser.add_argument("-r", "--readonly", action="store_true", help="open it for reading only")
    parser.add_argument("uri", metavar="URI", help="such as qemu:///system")
    parser.add_argument("-V", "--version", action="version", version="9.0.0")
    return parser


async def _bridge(uri: ConnectURI, *, readonly: bool) -> int:
    transport = await _connected(uri, readonly=readonly)
    return await _Bridge(transport).run()


async def _connected(uri: ConnectURI, *, readonly: bool) -> SocketTransport:
    if transport_of(uri) != "unix":
        raise InvalidArg(f"'{uri}' is not that of a daemon on this host")
    if starts_on_demand(uri):
        return await connect_or_start(uri, readonly=readonly)
    path = unix_socket(uri, readonly=readonly)
    try:
        return await connect_unix(path)
    except OSError as exc:
        raise system_failure(f"cannot connect to the socket '{path}'", exc) from exc


class _Bridge:
    """Standard input to the daemon, the daemon to standard output."""

    def __init__(self, transport: SocketTransport) -> None:
        self._transport = transport
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._input = _Input(self)
        self._output = bytearray()
        self._writing = False

    async def run(self) -> int:
        """Until one of the two sides ends; the exit code."""
        for fd in (0, 1):
            os.set_blocking(fd, False)
        loop = asyncio.get_running_loop()
        self._transport.start(self._from_daemon, self._lost, self._input.hold)
        self._input.hold(False)
        try:
            return await self._ended
        finally:
            loop.remove_reader(0)
            loop.remove_writer(1)
            self._transport.abort()
            for fd in (0, 1):
                os.set_blocking(fd, True)

    def send(self, data: bytes) -> None:
        """What came on standard input goes to the daemon."""
        self._transport.send(data)

    def end(self, code: int) -> None:
        """One side has ended."""
        if not self._ended.done():
            self._ended.set_result(code)

    def _from_daemon(self, data: bytes, fds: object = ()) -> None:
        self._output += data
        self._flush()

    def _lost(self, error: Exception | None) -> None:
        if error is not None:
            print(f"virt-ssh-helper: {error}", file=sys.stderr)
        self.end(1 if error is not None else 0)

    def _flush(self) -> None:
        try:
            while self._output:
                del self._output[: os.write(1, self._output)]
        except BlockingIOError:
            pass
        except OSError:  # nobody is there to read it
            self.end(0)
            return
        waits = bool(self._output)
        if waits == self._writing:
            return
        self._writing = waits
        loop = asyncio.get_running_loop()
        if waits:
            self._transport.pause_reading()
            loop.add_writer(1, self._flush)
        else:
            loop.remove_writer(1)
            self._transport.resume_reading()


class _Input:
    """Standard input, left alone while the daemon does not take what came."""

    def __init__(self, bridge: _Bridge) -> None:
        self._bridge = bridge

    def hold(self, held: bool) -> None:
        """Stops reading, or goes on."""
        loop = asyncio.get_running_loop()
        if held:
            loop.remove_reader(0)
        else:
            loop.add_reader(0, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(0, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._bridge.send(data)
        else:
            self._bridge.end(0)


if __name__ == "__main__":
    sys.exit(main())
