# SPDX-License-Identifier: Apache-2.0
"""Networks that libvirt has started: found by its status files, and ours from then on.

Libvirt keeps ``NAME.xml`` (``<networkstatus>``) for a network that runs, and a file for each of its
ports. Of these a record of ours is made, which says that all is to be made anew (``CHANGING``):
rules, dnsmasq. The bridge stays, and with it the guests' traffic.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import re
import struct
from pathlib import Path

from virloom.drivers.network.activation import CHANGING, FORMER, Activation
from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.links.shaping import is_limited
from virloom.drivers.network.naming import has_own_bridge
from virloom.drivers.network.record import NetworkRecord
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, VirloomError
from virloom.model.network import Network
from virloom.model.network.port import NetworkPort
from virloom.xml import format_document, parse_document

logger = logging.getLogger(__name__)

#: Metadata may have any text, but the last end is the network's own.
_NETWORK = re.compile(r"<network(?:\s[^>]*)?>.*</network>", re.DOTALL)
#: ``struct flock`` of 64-bit Linux (fcntl(2)): type, whence, start, length, process.
_FLOCK = struct.Struct("hhqqi4x")


class FormerNetworks:
    """What libvirt's daemon has left.

    Args:
        directories: Of the driver.
        activation: What networks are on this host.
    """

    def __init__(self, directories: NetworkDirectories, activation: Activation) -> None:
        self._run = directories.run
        self._directories = directories
        self._activation = activation

    async def adopt(self) -> None:
        """Makes records of them, for whoever takes networks over.

        Raises:
            OperationFailed: Libvirt's daemon runs, and has them.
        """
        paths = [path for path in sorted(self._run.glob("*.xml")) if _status(path) is not None]
        if not paths:
            return
        self._check_alone()
        for path in paths:
            try:
                await self._adopt(path)
            except (OSError, ValueError, VirloomError) as exc:
                logger.error("libvirt's network of '%s' is not taken over: %s", path, exc)

    def _check_alone(self) -> None:
        """Libvirt locks its file for as long as it runs."""
        path = self._run / "driver.pid"
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            asked = _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0)
            kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
            if kind != fcntl.F_UNLCK:
                raise OperationFailed(
                    f"libvirt's daemon (process {pid}) has the networks of '{self._run}'",
                    domain=ErrorDomain.NETWORK,
                    remedy="stop it first; its networks go on, and are taken over",
                )

    async def _adopt(self, path: Path) -> None:
        model = parse_document(Network, _status(path) or "")
        record = NetworkRecord(self._directories.record(model.name), model.name, model.uuid or "")
        if record.path.exists():  # we were killed before the former files were removed
            return
        record.stage = "active"
        record.runtime = {CHANGING: True, FORMER: True}
        name = model.bridge.name or ""
        if has_own_bridge(model):
            index = await self._activation.index_of(name, model.mac.address)
            record.runtime["bridge"] = {"name": name, "index": index}
        if is_limited(model):
            record.runtime["limited"] = name
        record.ports = self._ports(model)
        record.document = format_document(model)
        record.save()
        logger.warning("the network '%s' that libvirt has started is ours now", model.name)

    def _ports(self, model: Network) -> dict[str, str]:
        found = {}
        for path in sorted((self._run / model.name / "ports").glob("*.xml")):
            try:
                port = parse_document(NetworkPort, path.read_text())
                found[port.uuid or path.stem] = format_document(port)
            except (OSError, ValueError, VirloomError) as exc:
                logger.error("the port of '%s' is not taken over: %s", path, exc)
        return found

    def forget(self, name: str) -> None:
        """Removes libvirt's files of a network that is ours, or gone."""
        import shutil  # few hosts change over from libvirt, and it has the compressors with it

        shutil.rmtree(self._run / name, ignore_errors=True)
        (self._run / f"{name}.xml").unlink(missing_ok=True)


def _status(path: Path) -> str | None:
    """The network's document in a status file of libvirt's; None where it is another file."""
    try:
        text = path.read_text()
    except (OSError, ValueError):
        return None
    found = _NETWORK.search(text) if "<networkstatus" in text else None
    return found[0] if found is not None else None
