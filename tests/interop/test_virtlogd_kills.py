# SPDX-License-Identifier: Apache-2.0
"""Writers without mercy, and virtlogd killed again and again: every line is there, and once."""

from __future__ import annotations

import os
import random
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.interop.conftest import STEP
from tests.interop.log_client import Client
from tests.interop.watcher import Watcher

KILLS = 25
WRITERS = 3


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    root = Path(tempfile.mkdtemp(prefix="vk"))
    (root / "etc/libvirt").mkdir(parents=True)
    (root / "etc/libvirt/virtlogd.conf").write_text("max_size = 30000\nmax_backups = 100000\n")
    made = Watcher(root, "virtlogd")
    yield made
    assert made.end() == 0
    shutil.rmtree(root)


class Writer:
    """Lines of all lengths, as fast as they are taken, until told to end."""

    def __init__(self, pipe: int) -> None:
        self.lines = 0
        self.ending = threading.Event()
        self._pipe = pipe
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        lengths = random.Random(1)
        while not self.ending.is_set():
            # A pause now and then, so that the files of a minute can be counted.
            self.ending.wait(0.002)
            for _ in range(20):
                self.lines += 1
                os.write(self._pipe, b"%d %s\n" % (self.lines, b"x" * lengths.randrange(150)))

    def end(self) -> None:
        self.ending.set()
        self._thread.join(STEP)
        os.close(self._pipe)


def test_every_line_is_there_once(watcher: Watcher) -> None:
    paths = [watcher.root / f"guest{number}.log" for number in range(WRITERS)]
    with closing(Client(watcher.root / "run/libvirt/virtlogd-sock")) as client:
        writers = [Writer(client.open(str(path))[1][0]) for path in paths]
    moments = random.Random(2)
    for _ in range(KILLS):
        threading.Event().wait(moments.random() * 0.1)
        watcher.kill()
    for writer in writers:
        writer.end()
    with closing(Client(watcher.root / "run/libvirt/virtlogd-sock")) as client:
        for path in paths:
            client.append(str(path), "the end\n")  # after all that was written
    for path, writer in zip(paths, writers, strict=True):
        text = b"".join(each.read_bytes() for each in _oldest_first(path))
        numbers = [int(number) for number in re.findall(rb"^(\d+) x*$", text, re.MULTILINE)]
        assert numbers == list(range(1, writer.lines + 1))
        assert len(text.splitlines()) == writer.lines + 1
        assert len(list(_oldest_first(path))) > KILLS


def _oldest_first(path: Path) -> list[Path]:
    former = sorted(path.parent.glob(f"{path.name}.*"), key=lambda each: -int(each.suffix[1:]))
    return [*former, path]
