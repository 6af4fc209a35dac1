# SPDX-License-Identifier: Apache-2.0
"""Groups on the kernel that is here: made, joined, found by a process, removed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from virloom.errors import OperationFailed, SystemFailure
from virloom.host.boot import boot_id
from virloom.host.cgroup import group
from virloom.host.cgroup.device_program import attach
from virloom.host.cgroup.devices import DeviceRule, rules_of
from virloom.host.cgroup.mounts import CONTROLLERS, Hierarchies, groups_of
from virloom.host.cgroup.v2 import V2
from virloom.host.process import Process, SpawnRequest, spawn
from virloom.host.release import release

HOST = Hierarchies.of_this_process()
NAME = f"qemu-test-{os.getpid()}.libvirt-qemu"

pytestmark = pytest.mark.skipif(
    not HOST.by_controller, reason="no control groups that this process may make groups in"
)


@pytest.fixture
def groups() -> Iterator[group.GuestGroups]:
    made = make()
    yield made
    group.remove([place.directory for place in made.places])
    assert not any(os.path.exists(place.directory) for place in made.places)


def make() -> group.GuestGroups:
    planned = group.planned(HOST, None, NAME, CONTROLLERS)
    assert planned is not None
    made = group.make(planned, ["emulator", "vcpu0"])
    assert made is not None
    return made


def below(place: group.Place) -> list[str]:
    """The groups of threads."""
    return [f"{place.directory}/{name}" for name in ("emulator", "vcpu0") if place.threaded]


def sleeper(groups: group.GuestGroups) -> Process:
    return spawn(SpawnRequest(["/bin/sleep", "60"], cgroups=groups.entrances()))


async def test_a_process_is_in_its_groups_before_it_is_executed(groups: group.GuestGroups) -> None:
    process = sleeper(groups)
    try:
        async with asyncio.timeout(10):  # it is a shell until it has joined them
            while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":
                await asyncio.sleep(0.002)
        found = group.find(process.pid, NAME, HOST)
        assert found is not None
        assert {p.directory for p in found.places} == {p.directory for p in groups.places}
        with pytest.raises(OperationFailed, match="in use"):
            make()
        groups.move_thread("vcpu", 0, process.pid)
        inside = groups_of(Path(f"/proc/{process.pid}/cgroup").read_text())
        assert any(place.endswith(f"{NAME}/vcpu0") for place in inside.values())
        resource = groups.resource()
        assert release([{**resource, "boot_id": "another"}]) == []
        assert all(os.path.exists(path) for place in groups.places for path in below(place))
        assert "somebody is in" in release([resource])[0]
        assert all(os.path.exists(place.directory) for place in groups.places)
        assert groups_of(Path(f"/proc/{process.pid}/cgroup").read_text()) == inside
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        process.close()
    assert release([groups.resource()]) == []
    assert release([groups.resource()]) == []
    assert groups.resource()["boot_id"] == boot_id()


async def test_left_over_groups_are_replaced(groups: group.GuestGroups) -> None:
    again = make()
    assert again.places == groups.places


async def test_a_group_that_has_gone_keeps_the_program_from_running(
    groups: group.GuestGroups,
) -> None:
    group.remove([groups.places[0].directory])
    with pytest.raises(SystemFailure, match=groups.places[0].directory):
        spawn(SpawnRequest(["/bin/sleep", "60"], cgroups=groups.entrances()))


def unified() -> str:
    """Where version 2 is mounted, with controllers or without."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line and os.access(line.split(" ")[4], os.W_OK):
            return line.split(" ")[4]
    pytest.skip("no control groups of version 2 that this process may make groups in")


def opened(directory: str, path: str) -> bool:
    """Whether a process in the group can open a device."""
    process = spawn(
        SpawnRequest(["/usr/bin/head", "-c1", path], cgroups=[f"{directory}/cgroup.procs"])
    )
    os.waitid(os.P_PIDFD, process.pidfd.fileno(), os.WEXITED | os.WNOWAIT)
    assert process.poll()
    process.close()
    return process.exit_code == 0


def test_devices_of_version_2() -> None:
    directory = f"{unified()}/virloom-test-{os.getpid()}"
    os.mkdir(directory)
    usual = rules_of(["/dev/null", "/dev/urandom"])
    try:
        try:
            attach(directory, [])
        except OSError as exc:
            pytest.skip(f"the kernel takes no programs for devices: {exc}")
        V2().set_devices(directory, usual)
        assert opened(directory, "/dev/urandom")
        assert not opened(directory, "/dev/zero")
        V2().set_devices(directory, [*usual, *rules_of(["/dev/zero"])])
        assert opened(directory, "/dev/zero")
        writable = rules_of(["/dev/null", "/dev/zero"])
        V2().set_devices(directory, [rule._replace(access="w") for rule in writable])
        assert not opened(directory, "/dev/zero")
        V2().set_devices(directory, [DeviceRule("c", 1, None)])
        assert opened(directory, "/dev/zero")
    finally:
        os.rmdir(directory)


async def test_devices_of_version_1(groups: group.GuestGroups) -> None:
    place = groups.place("devices")
    if place.version != 1:
        pytest.skip("the host has no controller for devices of version 1")
    usual = rules_of(["/dev/null", "/dev/urandom"])
    place.backend.set_devices(place.directory, usual)
    assert Path(place.directory, "devices.list").read_text() == "c 1:3 rwm\nc 1:9 rwm\n"
    place.backend.set_devices(place.directory, usual[:1])
    assert Path(place.directory, "devices.list").read_text() == "c 1:3 rwm\n"
