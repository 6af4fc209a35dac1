# SPDX-License-Identifier: Apache-2.0
"""Rows of doctor that only look at files."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from virloom.cli.findings.daemons import find_daemons, find_sockets
from virloom.cli.findings.everything import find_devices, find_kept, find_version
from virloom.cli.findings.host import Host
from virloom.daemon.places import Places


def test_the_version() -> None:
    assert find_version().detail.count("Python 3.") == 1


def test_directories_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "run/libvirt").mkdir(parents=True)
    assert [(row.name, row.found) for row in find_kept(tmp_path)] == [("run/libvirt", True)]


def test_what_the_kernel_lacks(tmp_path: Path) -> None:
    rows = {row.name: row for row in find_devices(Host(tmp_path))}
    assert not any(row.found for row in rows.values())
    assert rows["/dev/net/tun"].remedy == "modprobe tun"
    assert rows["cgroups"].detail == "none: limits on guests"


def test_a_cgroup_controller_that_is_not_mounted(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    names = ("cpu", "cpuacct", "cpuset", "memory", "devices")
    lines = [f"cgroup /sys/fs/cgroup/{name} cgroup rw,{name} 0 0\n" for name in names]
    (tmp_path / "proc/self/mounts").write_text("".join(lines))
    assert find_devices(Host(tmp_path))[-1].detail == "without blkio: limits on guests"


async def test_no_daemon_runs(tmp_path: Path) -> None:
    places = Places.system(tmp_path)
    rows = await find_daemons(places)
    networks = ["virtnwfilterd", "virtnetworkd"]
    areas = ["virtsecretd", "virtinterfaced", "virtnodedevd", *networks, "virtstoraged"]
    ours = ["virtlogd", "virtlockd", *areas, "virtqemud"]
    ours.append("libvirtd or virtproxyd")
    assert [row.name for row in rows] == ours
    assert all("not running" in row.detail and row.remedy for row in rows)
    assert find_sockets(places) == []


async def test_a_socket_that_its_daemon_left(tmp_path: Path) -> None:
    places = Places.system(tmp_path)
    places.run.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(places.run / "virtnetworkd-sock"))
    rows = {row.name: row for row in await find_daemons(places)}
    assert "is left of one that did (Connection refused)" in rows["virtnetworkd"].detail
    assert [row.name for row in find_sockets(places)] == ["virtnetworkd-sock"]


async def test_a_daemon_that_hangs(tmp_path: Path) -> None:
    places = Places.system(tmp_path)
    places.run.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(places.run / "virtqemud-sock"))
        listener.listen()
        rows = {row.name: row for row in await find_daemons(places, seconds=0.2)}
    assert not rows["virtqemud"].found
    assert "does not answer within 0.2 s" in rows["virtqemud"].detail


async def test_who_answers_is_no_daemon(tmp_path: Path) -> None:
    def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    places = Places.system(tmp_path)
    places.run.mkdir(parents=True)
    server = await asyncio.start_unix_server(hang_up, places.run / "virtqemud-sock")
    async with server:
        rows = {row.name: row for row in await find_daemons(places)}
    assert not rows["virtqemud"].found
    assert "answers with an error: " in rows["virtqemud"].detail


async def test_daemons_of_a_user_are_told_apart(tmp_path: Path) -> None:
    places = Places.system(tmp_path)._replace(session=True, prefix=None)
    assert {row.area for row in await find_daemons(places)} == {"session daemons"}
