# SPDX-License-Identifier: Apache-2.0
"""A host on which nobody configures interfaces: ours last until it boots again, which is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from virloom.drivers.interface.configurators.commands import do_steps, is_there, undo
from virloom.drivers.interface.configurators.configurator import Foreign
from virloom.drivers.interface.documents import with_document
from virloom.drivers.interface.plan import address_steps, link_steps
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.interface import HostInterface

_SUFFIX = ".interface"


class Runtime:
    """By ip(8) alone.

    Args:
        directory: Where documents are kept; it does not outlive the boot.
    """

    title = "ip"
    lasting = False
    mode = 0o600

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def check(self, model: HostInterface) -> None:
        """Nobody would run a DHCP client."""
        if any(protocol.dhcp is not None for protocol in model.protocols):
            raise ConfigUnsupported(
                "this host has neither netplan, NetworkManager nor ifupdown: nobody would ask for "
                "an address by DHCP",
                domain=ErrorDomain.INTERFACE,
                remedy="give it a fixed address, or install ifupdown and a DHCP client",
            )

    def files(self, model: HostInterface) -> dict[str, str]:
        """The document and nothing else."""
        return {f"{model.name}{_SUFFIX}": with_document(model, "")}

    def is_ours(self, name: str) -> bool:
        """All but what a killed writer left."""
        return name.endswith(_SUFFIX) and not name.startswith(".")

    def foreign(self) -> Mapping[str, Foreign]:
        """Nobody else configures here."""
        return {}

    async def up(self, model: HostInterface) -> None:
        """What is there already is not made again."""
        steps = [*link_steps(model), *address_steps(model)]
        missing = [step for step in steps if step.makes is None or not is_there(step.makes)]
        await do_steps(missing, f"cannot bring '{model.name}' up")

    async def down(self, model: HostInterface) -> None:
        """Devices that are not the hardware's go."""
        await undo(model)

    async def reread(self) -> None:
        """There is no program."""
