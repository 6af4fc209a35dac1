# SPDX-License-Identifier: Apache-2.0
"""What is typed into the shell, beside virsh: prompts, answers and what it is connected to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.reference import Libvirtd
from tests.interop.side_by_side import VIRLOOM, needs_virsh

pytestmark = needs_virsh

_TYPED = (
    "net-list\n",
    "net-list",
    "quit",
    "quit\nnet-list\n",
    "net-list; exit; net-list\n",
    "zork\nnet-info\n\n# nothing\nnet-name 'default\nnet-list --zork; quit\n",
    "echo a \\\n b\ncd /nope\ncd /etc/passwd\ncd a b\ncd /\npwd\n",
    "connect\nconnect --readonly\nnet-destroy default\nconnect\nnet-destroy default\nuri\n",
    "connect test:///default --readonly\nconnect test+unix:///?socket=/no\nuri\nnet-start x\n",
    "connect test:///default --readonly\nconnect test:///default\nnet-destroy default\nuri\n",
)


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libvirtd]:
    with Libvirtd(tmp_path_factory.mktemp("typed")).running() as libvirtd:
        yield libvirtd


@pytest.mark.parametrize("quiet", [(), ("-q",)])
@pytest.mark.parametrize("typed", _TYPED)
def test_dialogue(typed: str, quiet: tuple[str, ...], libvirtd: Libvirtd) -> None:
    uri = f"test+unix:///default?socket={libvirtd.socket}"
    theirs = _dialogue("virsh", uri, typed, *quiet)
    assert theirs[0] == 0
    assert _dialogue(str(VIRLOOM), uri, typed, *quiet) == theirs


def _dialogue(program: str, uri: str, typed: str, *options: str) -> tuple[int, str]:
    ran = subprocess.run(
        [program, *options, "-c", uri],
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return ran.returncode, ran.stdout.replace(Path(program).name, "PROGRAM")
