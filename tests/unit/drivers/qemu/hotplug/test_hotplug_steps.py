# SPDX-License-Identifier: Apache-2.0
"""What the command line would say, as monitor commands."""

from __future__ import annotations

from typing import Any

import pytest

from virloom.drivers.qemu.hotplug.chardev import chardev_arguments
from virloom.drivers.qemu.hotplug.steps import LiveArguments
from virloom.errors import ConfigUnsupported


@pytest.mark.parametrize(
    ("value", "kind", "data"),
    [
        ("null,id=c", "null", {}),
        ("pty,id=c,logfile=/a,,b,logappend=on", "pty", {"logfile": "/a,b", "logappend": True}),
        ("file,id=c,path=/dev/fdset/3,append=on", "file", {"out": "/dev/fdset/3", "append": True}),
        (
            "udp,id=c,host=h,port=1,localaddr=,localport=0",
            "udp",
            {"remote": {"type": "inet", "data": {"host": "h", "port": "1"}}},
        ),
        (
            "socket,id=c,host=h,port=1,telnet=on,server=on,wait=off",
            "socket",
            {
                "addr": {"type": "inet", "data": {"host": "h", "port": "1"}},
                "server": True,
                "wait": False,
                "telnet": True,
            },
        ),
        (
            "socket,id=c,path=/s,reconnect=5",
            "socket",
            {"addr": {"type": "unix", "data": {"path": "/s"}}, "server": False, "reconnect": 5},
        ),
        ("spicevmc,id=c,name=vdagent", "spicevmc", {"type": "vdagent"}),
    ],
)
def test_character_devices(value: str, kind: str, data: dict[str, Any]) -> None:
    arguments, fd = chardev_arguments(value)
    assert arguments == {"id": "c", "backend": {"type": kind, "data": data}}
    assert fd is None


def test_a_listening_socket_is_lent_by_name() -> None:
    args = LiveArguments({}, {}, 0)
    args.option("chardev", "socket,id=charchannel0,fd=7,server=on,wait=off")
    lent, added = args.steps
    assert (lent.command, lent.arguments, lent.fd) == ("getfd", {"fdname": "fd-charchannel0"}, 7)
    address = added.arguments["backend"]["data"]["addr"]
    assert address == {"type": "fd", "data": {"str": "fd-charchannel0"}}


def test_every_step_knows_what_takes_it_back() -> None:
    args = LiveArguments({"d.image0": 9}, {}, 4)
    path = args.fdset("d.image0")
    args.blockdev({"driver": "file", "filename": path, "node-name": "n"})
    args.object({"qom-type": "rng-builtin", "id": "o"})
    args.netdev({"type": "user", "id": "h"})
    args.device({"driver": "virtio-blk-pci", "id": "d"})
    assert path == "/dev/fdset/4"
    assert args.next_fdset == 5
    assert [step.undo for step in args.steps] == [
        ("remove-fd", {"fdset-id": 4}),
        ("blockdev-del", {"node-name": "n"}),
        ("object-del", {"id": "o"}),
        ("netdev_del", {"id": "h"}),
        ("device_del", {"id": "d"}),
    ]


def test_what_only_a_start_can_give_is_refused() -> None:
    args = LiveArguments({"m.file": 3}, {}, 0)
    with pytest.raises(ConfigUnsupported):
        args.option("global", "x.y=z")
    with pytest.raises(ConfigUnsupported):
        args.inherited("m.file")
    with pytest.raises(ConfigUnsupported):
        chardev_arguments("stdio,id=c")
