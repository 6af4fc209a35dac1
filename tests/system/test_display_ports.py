# SPDX-License-Identifier: Apache-2.0
"""Ports of displays: no two starts of a host choose the same one."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from virloom.drivers.qemu.display_ports import DisplayPorts
from virloom.errors import OperationFailed

LOOPBACK = "127.0.0.1"
#: Three that no daemon under test gives away.
FIRST, LAST = 64801, 64803

HOLDER = f"""
from virloom.drivers.qemu.display_ports import DisplayPorts
ports = DisplayPorts({FIRST}, {LAST})
print(ports.reserve("{LOOPBACK}"), flush=True)
input()
"""


def test_two_drivers_of_one_process_choose_different_ports() -> None:
    one, other = DisplayPorts(FIRST, LAST), DisplayPorts(FIRST, LAST)
    first = one.reserve(LOOPBACK)
    second = other.reserve(LOOPBACK)
    assert first != second
    one.release(first)
    assert other.reserve(LOOPBACK) == first
    for port in (first, second):
        other.release(port)


def test_what_another_process_has_chosen_is_free_when_it_has_ended() -> None:
    ports = DisplayPorts(FIRST, LAST)
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        theirs = int(holder.stdout.readline())
        ours = ports.reserve(LOOPBACK)
        assert ours != theirs
        holder.kill()
    ports.release(ours)
    assert ports.reserve(LOOPBACK) == theirs
    ports.release(theirs)


def test_ports_that_somebody_listens_on_are_passed_over_and_their_end_is_told() -> None:
    ports = DisplayPorts(FIRST, LAST)
    with socket.create_server((LOOPBACK, FIRST)):
        chosen = [ports.reserve(LOOPBACK), ports.reserve(LOOPBACK)]
        assert chosen == [FIRST + 1, FIRST + 2]
        with pytest.raises(OperationFailed, match=f"no free display port from {FIRST} to {LAST}"):
            ports.reserve(LOOPBACK)
    for port in chosen:
        ports.release(port)
