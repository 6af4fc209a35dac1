# SPDX-License-Identifier: Apache-2.0
"""The floor: QEMU started by hand with a guest's own arguments, and QMP's handshake."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from tools.bench.sides import line


class Guest:
    """One QEMU and its monitor."""

    def __init__(self, process: subprocess.Popen[bytes], monitor: socket.socket) -> None:
        self.process = process
        self.monitor = monitor
        self._buffer = b""

    def read_message(self) -> bytes:
        """The next line of the monitor."""
        while b"\n" not in self._buffer:
            data = self.monitor.recv(65536)
            if not data:
                raise ConnectionError("QEMU closed the monitor")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\n")
        return message

    def shake_hands(self) -> None:
        """The greeting, and out of negotiation."""
        self.read_message()
        self.execute(b"qmp_capabilities")

    def execute(self, command: bytes) -> None:
        """Runs a command that has no arguments, and waits for its answer."""
        self.monitor.sendall(b'{"execute":"%s"}\n' % command)
        while b'"return"' not in (message := self.read_message()):
            if b'"error"' in message:
                raise RuntimeError(message.decode())


def prepared(argv: list[str], listener: int) -> list[str]:
    """*argv* with its monitor on our descriptor *listener*, without what only a manager needs."""
    result: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "-object" and '"secret"' in (value := next(words)):
            continue
        if word == "-object":
            result += [word, value]
        elif word.startswith("socket,id=charmonitor,"):
            result.append(f"socket,id=charmonitor,fd={listener},server=on,wait=off")
        else:
            result.append(word)
    return result


def many(argv: list[str], count: int) -> dict[str, float]:
    """*count* paused guests with the same arguments up, and gone."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        start = time.perf_counter()
        guests = []
        for number in range(count):
            guests.append(_start(argv, os.path.join(directory, str(number))))
            guests[-1].shake_hands()
        up = time.perf_counter()
        for guest in guests:
            guest.process.send_signal(signal.SIGTERM)
        for guest in guests:
            guest.process.wait()
            guest.monitor.close()
        return {"up": up - start, "gone": time.perf_counter() - up}


def run(argv: list[str], paused: bool) -> dict[str, float]:
    """Start a guest up to the handshake (and ``cont``), then SIGTERM it and reap it."""
    directory = tempfile.mkdtemp(prefix="bench-")
    try:
        start = time.perf_counter()
        guest = _start(argv, os.path.join(directory, "monitor"))
        guest.shake_hands()
        if not paused:
            guest.execute(b"cont")
        created = time.perf_counter()
        guest.process.send_signal(signal.SIGTERM)
        guest.process.wait()
        gone = time.perf_counter()
        guest.monitor.close()
        return {"create": created - start, "destroy": gone - created}
    finally:
        shutil.rmtree(directory)


def _start(argv: list[str], path: str) -> Guest:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        process = subprocess.Popen(
            prepared(argv, listener.fileno()),
            pass_fds=(listener.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    monitor = socket.socket(socket.AF_UNIX)
    monitor.connect(path)
    return Guest(process, monitor)


if __name__ == "__main__":
    line.serve({"run": run, "many": many})
