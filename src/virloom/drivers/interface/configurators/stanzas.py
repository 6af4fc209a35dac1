# SPDX-License-Identifier: Apache-2.0
"""What administrators write for ifupdown, read: ``man 5 interfaces``.

Enough of it for a document: names, how addresses come, parts of bridges and bonds, VLANs.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Callable, Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import NamedTuple, TypeVar

from virloom.drivers.interface.configurators.configurator import Foreign
from virloom.drivers.interface.names import is_device_name
from virloom.model.interface import (
    Autoconf,
    Bond,
    Bridge,
    BridgePort,
    HostInterface,
    InterfaceVlan,
    Port,
    Protocol,
    ProtocolDhcp,
    ProtocolIp,
)

#: Which names ``source-directory`` takes.
_IN_DIRECTORY = re.compile(r"[a-zA-Z0-9_-]+")
#: Files that read each other: ifupdown has no limit, and ends by its stack.
_DEPTH = 8
_FAMILIES = {"inet": "ipv4", "inet6": "ipv6"}
#: What stands by itself and ends a stanza.
_TOP = (
    *("iface", "mapping", "auto", "source", "source-directory", "rename", "no-auto-down"),
    *("no-scripts", "template"),
)
_KIND = {"bridge_ports": "bridge", "bond_slaves": "bond", "vlan_raw_device": "vlan"}


P = TypeVar("P", bound=Port)


class Line(NamedTuple):
    """A line without what continues it: its words and where it stands."""

    words: list[str]
    path: Path
    number: int


class Stanzas:
    """All stanzas that ifupdown would read.

    Args:
        lines: Of all files, in the order in which they are read.
        sources: Patterns of ``source``.
        directories: Patterns of ``source-directory``.
    """

    def __init__(self, lines: list[Line], sources: list[str], directories: list[str]) -> None:
        self._lines = lines
        self._sources = sources
        self._directories = directories

    @classmethod
    def read(cls, main: Path) -> Stanzas:
        """Those of *main* and of the files that it names; what cannot be read is not there."""
        found = cls([], [], [])
        found._read(main, 0)
        return found

    def would_read(self, path: Path) -> bool:
        """Whether a file of that path would be read if it were there."""
        patterns = list(self._sources)
        if _IN_DIRECTORY.fullmatch(path.name):
            patterns += [os.path.join(one, "*") for one in self._directories]
        return any(
            fnmatch.fnmatchcase(str(path.parent), os.path.normpath(os.path.dirname(one)))
            and fnmatch.fnmatchcase(path.name, os.path.basename(one))
            for one in patterns
        )

    def interfaces(self, leave_out: Callable[[Path], bool]) -> dict[str, Foreign]:
        """What is configured, by name.

        Args:
            leave_out: Whether the stanzas of a file do not count.
        """
        found: dict[str, Foreign] = {}
        starts: dict[str, str] = {}
        current: HostInterface | None = None
        protocol: Protocol | None = None
        for line in self._lines:
            if leave_out(line.path):
                continue
            key = line.words[0]
            if key == "iface":
                current, protocol = _stanza(line, found)
            elif key in ("auto", "allow-auto", "allow-hotplug"):
                current = None
                mode = "hotplug" if key == "allow-hotplug" else "onboot"
                starts |= {name: mode for name in line.words[1:] if starts.get(name) != "onboot"}
            elif key in _TOP or key.startswith("allow-"):
                current = None
            elif current is not None:
                _option(current, protocol, key.replace("-", "_"), line.words[1:])
        for name, foreign in found.items():
            foreign.model.start.mode = starts.get(name, "none")
        return found

    def _read(self, path: Path, depth: int) -> None:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            return
        for line in _logical_lines(text, path):
            self._lines.append(line)
            if line.words[0] == "source":
                self._follow([*_patterns(line)], self._sources, depth, lambda one: [one])
            elif line.words[0] == "source-directory":
                self._follow([*_patterns(line)], self._directories, depth, _files_of)

    def _follow(
        self, patterns: list[str], noted: list[str], depth: int,
        files: Callable[[str], list[str]],
    ) -> None:  # fmt: skip
        noted += patterns
        if depth >= _DEPTH:
            return
        for pattern in patterns:
            for one in sorted(glob.glob(pattern)):
                for file in files(one):
                    self._read(Path(file), depth + 1)


def _patterns(line: Line) -> Iterator[str]:
    for word in line.words[1:]:
        yield os.path.join(line.path.parent, word)


def _files_of(directory: str) -> list[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in names if _IN_DIRECTORY.fullmatch(name)]


def _logical_lines(text: str, path: Path) -> Iterator[Line]:
    """Lines with those that continue them, without comments and empty ones."""
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        if not pending:
            start = number
            if raw.lstrip().startswith("#"):
                continue
        pending += raw
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        words = pending.split()
        pending = ""
        if words:
            yield Line(words, path, start)


def _stanza(line: Line, found: dict[str, Foreign]) -> tuple[HostInterface | None, Protocol | None]:
    """The interface that a line ``iface NAME FAMILY METHOD`` begins, or goes on with."""
    if len(line.words) < 2 or not is_device_name(line.words[1]):
        return None, None  # a pattern, an alias, a template; the loopback device
    name = line.words[1]
    family, method = line.words[2:4] if len(line.words) > 3 else ("inet", "manual")
    if name not in found:
        model = HostInterface()
        model.name, model.type = name, "ethernet"
        found[name] = Foreign(model, f"{line.path}:{line.number}")
    model = found[name].model
    if family not in _FAMILIES or method == "manual":
        return model, None
    known = [one for one in model.protocols if one.family == _FAMILIES[family]]
    protocol = known[0] if known else Protocol()
    if not known:
        protocol.family = _FAMILIES[family]
        model.protocols.append(protocol)
    if method == "dhcp":
        protocol.dhcp = ProtocolDhcp()
    elif method == "auto":
        protocol.autoconf = Autoconf()
    return model, protocol


def _option(model: HostInterface, protocol: Protocol | None, key: str, words: list[str]) -> None:
    value = words[0] if words else ""
    if key in _KIND:
        _become(model, _KIND[key])
    if key == "bridge_ports" and model.bridge is not None:
        for name in words:
            if name != "none":
                model.bridge.interfaces.append(_named(BridgePort(), name))
    elif key == "bond_slaves" and model.bond is not None:
        model.bond.interfaces += [_named(Port(), name) for name in words if name != "none"]
    elif key == "vlan_raw_device" and model.vlan is not None:
        model.vlan.interface.name = value
        digits = re.search(r"(\d+)$", model.name or "")
        model.vlan.tag_ = int(digits.group(1)) if digits else None
    elif key == "mtu" and value.isdigit():
        model.mtu.size = int(value)
    elif key == "hwaddress":
        model.mac.address = words[-1] if words else None
    elif protocol is not None:
        _address_option(protocol, key, value)


def _become(model: HostInterface, kind: str) -> None:
    model.type = kind
    if kind == "bridge":
        model.bridge = Bridge()
    elif kind == "bond":
        model.bond = Bond()
    else:
        model.vlan = InterfaceVlan()


def _named(port: P, name: str) -> P:
    port.type, port.name = "ethernet", name
    return port


def _address_option(protocol: Protocol, key: str, value: str) -> None:
    if key == "address":
        ip = ProtocolIp()
        ip.address, _, prefix = value.partition("/")
        ip.prefix = int(prefix) if prefix.isdigit() else None
        protocol.ips.append(ip)
    elif key == "netmask" and protocol.ips:
        protocol.ips[-1].prefix = _prefix(protocol.ips[-1].address, value)
    elif key == "gateway":
        protocol.route.gateway = value


def _prefix(address: str | None, mask: str) -> int | None:
    try:
        return ip_interface(f"{address}/{mask}").network.prefixlen
    except ValueError:
        return None
