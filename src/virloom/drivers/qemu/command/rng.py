# SPDX-License-Identifier: Apache-2.0
"""Random number generators and their sources."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.rng import rng_device, rng_object_id
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain, Rng


def rng_files(dom: Domain) -> list[FileRequest]:
    """The host devices that randomness is read from."""
    requests: list[FileRequest] = []
    for rng in dom.devices.rngs:
        if rng.backend.model == "random":
            key = f"{alias_of(rng, 'random number generator')}.source"
            requests.append(FileRequest(key, _path(rng), "r"))
    return requests


def add_rngs(assembly: Assembly) -> None:
    """Source and device of every generator."""
    for rng in assembly.dom.devices.rngs:
        alias = alias_of(rng, "random number generator")
        model = rng.backend.model
        name = rng_object_id(alias)
        if model == "random":
            path = assembly.args.fdset(f"{alias}.source")
            assembly.args.object({"qom-type": "rng-random", "id": name, "filename": path})
        elif model == "builtin":
            assembly.args.object({"qom-type": "rng-builtin", "id": name})
        else:
            raise ConfigUnsupported(
                f"backend '{model}' of random number generator '{alias}' is not supported yet; "
                "known: builtin, random"
            )
        assembly.args.device(rng_device(rng, assembly.buses))


def _path(rng: Rng) -> str:
    # What libvirt takes when the document names no device.
    return rng.backend.value or "/dev/urandom"
