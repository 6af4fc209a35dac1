# SPDX-License-Identifier: Apache-2.0
"""ifupdown: a file of stanzas (``man 5 interfaces``) for each interface, and ifup(8), ifdown(8).

Our stanzas need neither bridge-utils, ifenslave nor vlan: the lines that make devices are in them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from virloom.drivers.interface.configurators.commands import said, succeed, undo
from virloom.drivers.interface.configurators.configurator import Foreign
from virloom.drivers.interface.configurators.stanzas import Stanzas
from virloom.drivers.interface.documents import with_document
from virloom.drivers.interface.plan import (
    ANYWHERE,
    Step,
    addresses,
    link_steps,
    undoing_steps,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.host.files import write_atomic
from virloom.host.process import run
from virloom.model.interface import HostInterface, Protocol

logger = logging.getLogger(__name__)

_PREFIX = "virloom-"
_FAMILIES = {"ipv4": "inet", "ipv6": "inet6"}


class Ifupdown:
    """By ifupdown.

    Args:
        prefix: What system paths are below.
    """

    title = "ifupdown"
    lasting = True
    mode = 0o644

    def __init__(self, prefix: Path) -> None:
        self._main = prefix / "etc/network/interfaces"
        self._state = prefix / "run/network"
        # The scripts of if-up.d are the host's, whatever the root.
        self._scripts = [] if prefix == Path("/") else ["--no-scripts"]
        self.directory = prefix / "etc/network/interfaces.d"

    def check(self, model: HostInterface) -> None:
        """Its files must be read, and a DHCP client of ifupdown always sets name servers."""
        name = file_name(model.name or "")
        if not Stanzas.read(self._main).would_read(self.directory / name):
            raise ConfigUnsupported(
                f"'{self._main}' does not read the files of '{self.directory}'",
                domain=ErrorDomain.INTERFACE,
                remedy=f"add the line 'source {self.directory}/*'",
            )
        if any(one.dhcp is not None and one.dhcp.peerdns is False for one in model.protocols):
            raise ConfigUnsupported(
                "ifupdown cannot leave out the name servers that DHCP tells",
                domain=ErrorDomain.INTERFACE,
            )

    def files(self, model: HostInterface) -> dict[str, str]:
        """One file."""
        text = "\n".join(_lines(model)) + "\n"
        return {file_name(model.name or ""): with_document(model, text)}

    def is_ours(self, name: str) -> bool:
        """By its name."""
        return name.startswith(_PREFIX)

    def foreign(self) -> Mapping[str, Foreign]:
        """The stanzas that are in no file of ours."""
        return Stanzas.read(self._main).interfaces(
            lambda path: path.parent == self.directory and self.is_ours(path.name)
        )

    async def up(self, model: HostInterface) -> None:
        """ifup undoes nothing of what it has done when it fails."""
        doing = f"ifup does not bring '{model.name}' up"
        await succeed(self._command("ifup", model.name or "", self._main), doing)

    async def down(self, model: HostInterface) -> None:
        """As it was brought up, whatever its file says by now."""
        name = model.name or ""
        if name in self.foreign():
            doing = f"ifdown does not take '{name}' down"
            await succeed(self._command("ifdown", name, self._main), doing)
            return
        stanzas = self._state / f"{file_name(name)}.down"
        self._state.mkdir(parents=True, exist_ok=True)
        write_atomic(stanzas, self.files(model)[file_name(name)].encode(), durable=False)
        try:
            done = await run(self._command("ifdown", name, stanzas))
        finally:
            stanzas.unlink(missing_ok=True)
        if done.returncode:
            logger.warning("ifdown %s: %s", name, said(done))
        await undo(model)  # which also finds out whether all has gone

    def _command(self, program: str, name: str, stanzas: Path) -> list[str]:
        self._state.mkdir(parents=True, exist_ok=True)
        # What ifupdown believes of the device may be old: the caller has looked.
        return [
            program, "--force", *self._scripts, f"--interfaces={stanzas}",
            f"--state-dir={self._state}", name,
        ]  # fmt: skip

    async def reread(self) -> None:
        """ifupdown reads its files each time."""


def file_name(interface: str) -> str:
    """A name that both ``source`` and ``source-directory`` take: letters, digits, ``_`` and ``-``.

    A dot becomes ``--``, and a dash ``-_``, so that no two names meet.
    """
    return _PREFIX + interface.replace("-", "-_").replace(".", "--")


def _lines(model: HostInterface) -> Iterator[str]:
    name = model.name or ""
    if model.start.mode == "onboot":
        yield f"auto {name}"
    elif model.start.mode == "hotplug":
        yield f"allow-hotplug {name}"
    stanzas = [stanza for one in model.protocols for stanza in _protocol(model, one)]
    first, *rest = stanzas or [[f"iface {name} inet manual"]]
    # ifdown goes through the stanzas in their order as well: the device goes with the last.
    last = rest[-1] if rest else first
    first += [f"    pre-up {_guarded(step)}" for step in link_steps(model)]
    last += [f"    post-down {_forgiving(step)}" for step in undoing_steps(model)]
    for stanza in [first, *rest]:
        yield from stanza


_QUIET = " >/dev/null 2>&1"


def _guarded(step: Step) -> str:
    line = f"ip {' '.join(step.words)}"
    return line if step.makes is None else f"ip link show dev {step.makes}{_QUIET} || {line}"


def _forgiving(step: Step) -> str:
    return f"ip {' '.join(step.words)} 2>/dev/null || true"


def _protocol(model: HostInterface, protocol: Protocol) -> Iterator[list[str]]:
    """A stanza for each way in which addresses come; the way out stands in the last."""
    name = model.name
    head = f"iface {name} {_FAMILIES[protocol.family or '']}"
    stanzas = []
    if protocol.autoconf is not None:
        stanzas.append([f"{head} auto"])
    if protocol.dhcp is not None:
        stanzas.append([f"{head} dhcp"])
    # Nobody else can have the address of a bridge that has no port yet, and the kernel would wait
    # for one to ask: ifup fails after six seconds of that.
    more = ["    dad-attempts 0"] if (model.type, protocol.family) == ("bridge", "ipv6") else []
    stanzas += [[f"{head} static", f"    address {one}", *more] for one in addresses(protocol)]
    if protocol.route.gateway is not None:
        route = f"ip route add {ANYWHERE[protocol.family or '']} via {protocol.route.gateway}"
        if not stanzas:
            stanzas.append([f"{head} manual"])
        stanzas[-1].append(f"    up {route} dev {name}")
    yield from stanzas
