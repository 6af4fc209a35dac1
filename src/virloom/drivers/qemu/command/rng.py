# SPDX-License-Identifier: Apache-2.0
"""Random number generators and their sources."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.chardev import add_chardev, chardev_files
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.chardev import chardev_id
from virloom.drivers.qemu.devices.props.rng import rng_device, rng_object_id
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Chardev, Domain, Rng


def rng_files(dom: Domain) -> list[FileRequest]:
    """The host devices that randomness is read from."""
    requests: list[FileRequest] = []
    for rng in dom.devices.rngs:
        alias = alias_of(rng, "random number generator")
        if rng.backend.model == "random":
            requests.append(FileRequest(f"{alias}.source", _path(rng), "r"))
        elif rng.backend.model == "egd":
            requests += chardev_files(_daemon(rng), alias)
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
        elif model == "egd":
            chardev = chardev_id(alias)
            add_chardev(assembly.args, assembly.context, _daemon(rng), alias, chardev)
            assembly.args.object({"qom-type": "rng-egd", "id": name, "chardev": chardev})
        else:
            raise ConfigUnsupported(
                f"random number generator '{alias}' has no known backend; known: builtin, egd, "
                "random"
            )
        assembly.args.device(rng_device(rng, assembly.buses))


def _daemon(rng: Rng) -> Chardev:
    """The character device that an entropy gathering daemon answers on."""
    backend = rng.backend
    return Chardev(
        type=backend.type, sources=backend.sources, protocol=backend.protocol, log=backend.log
    )


def _path(rng: Rng) -> str:
    # What libvirt takes when the document names no device.
    return rng.backend.value or "/dev/urandom"
