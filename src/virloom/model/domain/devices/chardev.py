# SPDX-License-Identifier: Apache-2.0
"""``<serial>``, ``<parallel>``, ``<console>`` and ``<channel>``: character devices."""

from __future__ import annotations

from typing import Self

from virloom.model.domain.devices.device import Device
from virloom.model.domain.devices.storage import Reconnect
from virloom.model.domain.seclabel import SourceSeclabel
from virloom.xml.element import Element
from virloom.xml.fields import ONCE, attribute, child, children, group
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import INT, ON_OFF, STRING, YES_NO, answering, choice, option

TYPE = option(
    "null",
    "vc",
    "pty",
    "dev",
    "file",
    "pipe",
    "stdio",
    "udp",
    "tcp",
    "unix",
    "spicevmc",
    "spiceport",
    "nmdm",
    "qemu-vdagent",
    "dbus",
)


class Copypaste(Element):
    """``<clipboard copypaste='yes'/>``: whether the guest shares its clipboard."""

    copypaste: bool | None = attribute(YES_NO, required=True)


class MouseMode(Element):
    """``<mouse mode='client'/>``: who draws the pointer."""

    mode: str | None = attribute(choice("server", "client"), required=True)


class ChardevSource(Element):
    """``<source path='…'/>``: a file, socket or address; UDP has two of them, by ``mode``."""

    channel: str | None = attribute(STRING)
    mode: str | None = attribute(choice("connect", "bind"))
    path: str | None = attribute(STRING)
    host: str | None = attribute(STRING)
    service: str | None = attribute(STRING)
    tls: bool | None = attribute(YES_NO)
    append: bool | None = attribute(ON_OFF)
    master: str | None = attribute(STRING)
    slave: str | None = attribute(STRING)
    seclabels: list[SourceSeclabel] = children(SourceSeclabel, "seclabel")
    reconnect: Reconnect | None = child(Reconnect)
    clipboard: Copypaste = group(Copypaste)
    mouse: MouseMode = group(MouseMode)


class Protocol(Element):
    """``<protocol type='telnet'/>`` of a TCP source."""

    type: str | None = attribute(option("raw", "telnet", "telnets", "tls"))


class Log(Element):
    """``<log file='…' append='on'/>``: a copy of what the guest writes."""

    file: str | None = attribute(STRING)
    append: bool | None = attribute(ON_OFF)


class Chardev(Device):
    """What the four kinds share."""

    type: str | None = attribute(TYPE)
    sources: list[ChardevSource] = children(ChardevSource, "source")
    protocol: Protocol = group(Protocol, once=ONCE)
    log: Log = group(Log, once=ONCE)

    def adapted(self, flags: FormatFlags) -> Self:
        """Without the pseudo terminal of this run, where only the configuration is asked for."""
        shown = super().adapted(flags)
        if self.type == "pty" and flags & FormatFlags.INACTIVE and self.sources:
            return shown.beside(sources=[])
        return shown


class TargetModel(Element):
    """``<model name='isa-serial'/>``: which device of QEMU it is."""

    name: str | None = attribute(STRING)


class SerialTarget(Element):
    """``<target type='isa-serial' port='0'>``."""

    type: str | None = attribute(STRING)
    port: int | None = attribute(INT)
    model: TargetModel = group(TargetModel)


class Serial(Chardev):
    """``<serial type='pty'>``."""

    tag = "serial"
    schema_path = "domain/devices/serial"

    target: SerialTarget = group(SerialTarget)


class ParallelTarget(Element):
    """``<target port='0'/>``."""

    type: str | None = attribute(STRING)
    port: int | None = attribute(INT)


class Parallel(Chardev):
    """``<parallel type='file'>``."""

    tag = "parallel"
    schema_path = "domain/devices/parallel"

    target: ParallelTarget = group(ParallelTarget)


class ConsoleTarget(Element):
    """``<target type='serial' port='0'/>``."""

    type: str | None = attribute(STRING)
    port: int | None = attribute(answering(INT))


class Console(Chardev):
    """``<console type='pty' tty='/dev/pts/3'>``; the first one may mirror the first serial."""

    tag = "console"
    schema_path = "domain/devices/console"

    tty: str | None = attribute(STRING, live=True, order=1)
    target: ConsoleTarget = group(ConsoleTarget)


class ChannelTarget(Element):
    """``<target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>``."""

    type: str | None = attribute(STRING)
    address: str | None = attribute(STRING)
    port: int | None = attribute(INT)
    name: str | None = attribute(STRING)
    state: str | None = attribute(choice("connected", "disconnected"), live=True)


class Channel(Chardev):
    """``<channel type='unix'>``."""

    tag = "channel"
    schema_path = "domain/devices/channel"

    target: ChannelTarget = group(ChannelTarget)
