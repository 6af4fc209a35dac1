# SPDX-License-Identifier: Apache-2.0
"""What libvirtd 9 and virtstoraged make of documents of pools and volumes, by libvirt's binding.

For ``python -m tools.parity.pools`` and for tests.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.interop.conftest import Virtstoraged
from tests.interop.reference import Libvirtd

Answers = dict[str, Any]
_SESSIONS = Path(__file__).parent / "sessions"
_LOGGER = """#!/usr/bin/python3
import json, os, sys
log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(log, (json.dumps(sys.argv[1:]) + "\\n").encode())
os.execv({program!r}, ["qemu-img", *sys.argv[1:]])
"""


def _session(script: str, *arguments: str) -> Answers:
    done = subprocess.run(
        ["/usr/bin/python3", str(_SESSIONS / script), *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{script}: {done.stderr}")
    return {name: answer for name, *answer in map(json.loads, done.stdout.splitlines())}


def pools(uri: str, directory: Path) -> Answers:
    """What a daemon makes of each document of a pool, and of pairs of them."""
    return {name: answer[0] for name, answer in _session("storage_documents.py", uri).items()}


def volumes(uri: str, directory: Path) -> Answers:
    """What a daemon makes of each document of a volume, and what ``qemu-img`` did for it."""
    home = directory / "home"
    home.mkdir()
    with (home / "base.raw").open("wb") as file:
        file.truncate(1 << 20)
    words = ["qemu-img", "create", "-q", "-f", "qcow2", str(home / "base.qcow2"), "1M"]
    subprocess.run(words, check=True)
    return _session("storage_volume_documents.py", uri, str(home), str(directory / "qemu-img.log"))


@contextmanager
def _directory() -> Iterator[Path]:
    """A directory with a ``qemu-img`` that logs to ``qemu-img.log`` there."""
    directory = Path(tempfile.mkdtemp(prefix="dc"))
    program = directory / "programs" / "qemu-img"
    program.parent.mkdir()
    log, real = str(directory / "qemu-img.log"), shutil.which("qemu-img") or "qemu-img"
    program.write_text(_LOGGER.format(log=log, program=real))
    program.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def theirs(ask: Callable[[str, Path], Answers]) -> Answers:
    """What a libvirtd of its own makes of them."""
    with _directory() as directory:
        path = f"PATH={directory}/programs:{os.environ['PATH']}"
        with Libvirtd(directory, prefix=["env", path]).running() as libvirtd:
            return ask(libvirtd.uri, directory)


def ours(ask: Callable[[str, Path], Answers]) -> Answers:
    """What a virtstoraged of its own makes of them."""
    with _directory() as directory:
        path = f"PATH={directory}/programs:{os.environ['PATH']}"
        daemon = Virtstoraged(directory, ["env", path])
        daemon.start()
        try:
            return ask(daemon.uri(), directory)
        finally:
            daemon.signal(signal.SIGTERM)
