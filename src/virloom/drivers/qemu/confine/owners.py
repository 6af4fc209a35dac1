# SPDX-License-Identifier: Apache-2.0
"""Whom a guest's QEMU runs as, and whose its files are meanwhile (security model ``dac``).

QEMU gets files open, so it needs the right to none of them. What it writes becomes its user's all
the same, as with libvirt, for others go by that. What it only reads (installation media, kernels,
images that others share or that lie behind others) stays whose it is: libvirt gives such files
away and cannot give them back, since it does not count who still needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.attached import tpm_path
from virloom.drivers.qemu.confine.devices import host_paths
from virloom.drivers.qemu.devices.passed import passed_on
from virloom.drivers.qemu.process.resources import alias_of, chardevs
from virloom.host.device_nodes import DEV
from virloom.model.domain import Chardev, ChardevSource, Disk, DiskSource, Domain, Seclabel
from virloom.security.dac import Ids, ids_of, resolve_label

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_MODEL = "dac"


class OwnedFile(NamedTuple):
    """A file that is QEMU's own while the guest runs.

    Attributes:
        alias: Of the device that it belongs to; empty for the guest itself.
        label: ``user:group`` of the file's own label; None for QEMU's.
    """

    path: str
    alias: str = ""
    label: str | None = None


def label_of(dom: Domain, model: str = _MODEL) -> Seclabel | None:
    """What the document says for a model."""
    return next((label for label in dom.seclabels if label.model == model), None)


def ids_of_guest(driver: QemuDriver, dom: Domain) -> Ids:
    """Whom the guest's QEMU runs as: the label's user, or qemu.conf's.

    Raises:
        InvalidArg: The label names nobody.
    """
    label = label_of(dom)
    if label is None or not label.label or not driver.dac.privileged:
        return driver.dac.ids
    uid, gid = resolve_label(label.label)
    if (uid, gid) == driver.dac.ids[:2]:
        return driver.dac.ids
    return ids_of(uid, gid)


def show_owner(driver: QemuDriver, dom: Domain, ids: Ids) -> None:
    """Notes whom QEMU runs as in the live document, as libvirt 9 does."""
    dac = driver.dac
    if not dac.privileged:
        return
    label = label_of(dom)
    if label is None and not driver.security.default_confined:
        return
    if label is None:
        label = Seclabel(type="dynamic", model=_MODEL, relabel=dac.dynamic)
        dom.seclabels.append(label)
    if label.type == "none":
        return
    if label.type == "dynamic":
        label.label = f"+{ids.uid}:+{ids.gid}"
    if label.relabel and dac.dynamic:
        label.imagelabel = label.label


def owned_files(
    dom: Domain, chains: Mapping[str, Sequence[ImageLayer]], model: str = _MODEL
) -> list[OwnedFile]:
    """The files that become QEMU's own, in the document's order and each once.

    Args:
        chains: Backing chain by alias of its disk.
        model: Whose labels of single files count.
    """
    label = label_of(dom, model)
    if label is not None and not label.relabel:
        return []
    found: dict[str, OwnedFile] = {}
    for file in _all(dom, chains, model):
        found.setdefault(file.path, file)
    return list(found.values())


def _all(
    dom: Domain, chains: Mapping[str, Sequence[ImageLayer]], model: str
) -> Iterator[OwnedFile]:
    devices = dom.devices
    for disk in devices.disks:
        yield from _image(disk, chains.get(alias_of(disk), ()), model)
    if dom.os.nvram.value:
        yield OwnedFile(dom.os.nvram.value)
    for port in chardevs(dom):
        yield from _port(port, model)
    for hostdev in passed_on(dom):
        yield from (OwnedFile(path, alias_of(hostdev)) for path in host_paths(hostdev))
    for memory in devices.memories:
        if memory.source.path:
            yield OwnedFile(memory.source.path, alias_of(memory))
    for tpm in devices.tpms:
        if tpm.backend.type == "passthrough":
            yield OwnedFile(tpm_path(tpm), alias_of(tpm))
    for input in devices.inputs:
        if input.path:
            yield OwnedFile(input.path, alias_of(input))


def _image(disk: Disk, layers: Sequence[ImageLayer], model: str) -> Iterator[OwnedFile]:
    """The image that the guest writes to, unless others may."""
    if not layers or not layers[0].is_local or disk.readonly or disk.shareable:
        return
    if disk.device == "cdrom" or disk.source.fdgroup:
        return
    yield from _labelled(layers[0].path, alias_of(disk), disk.source, model)


def _port(port: Chardev, model: str) -> Iterator[OwnedFile]:
    if port.type not in ("file", "dev"):
        return
    for source in port.sources:
        if source.path:
            yield from _labelled(source.path, alias_of(port), source, model)


def _labelled(
    path: str, alias: str, source: DiskSource | ChardevSource, model: str
) -> Iterator[OwnedFile]:
    """A file, by its own label if it has one."""
    own = next((label for label in source.seclabels if label.model in (None, model)), None)
    if own is None or own.relabel is not False:
        yield OwnedFile(path, alias, own.label if own is not None else None)


def labelled_files(
    dom: Domain, path: str, alias: str, source: DiskSource, model: str = _MODEL
) -> list[OwnedFile]:
    """An image that comes to a guest while it runs, unless it stays whose it is.

    Args:
        source: Whose own labels go for it.
    """
    label = label_of(dom, model)
    if label is not None and not label.relabel:
        return []
    return list(_labelled(path, alias, source, model))


def plan_owners(
    driver: QemuDriver, dom: Domain, files: Iterable[OwnedFile], marker: str, ids: Ids
) -> list[dict[str, Any]]:
    """The resources of a guest's record that stand for giving files to QEMU; nothing is changed.

    Devices in a ``/dev`` of the guest's own are given there, and not here.

    Args:
        marker: The guest's.

    Raises:
        InvalidArg: A file's own label names nobody.
        SystemFailure: There is no such file.
    """
    dac = driver.dac
    planned: list[dict[str, Any]] = []
    if label_of(dom) is None and not driver.security.default_confined:
        return planned
    for file in files:
        if driver.private_dev and file.path.startswith(DEV + "/"):
            continue
        uid, gid = resolve_label(file.label) if file.label else (ids.uid, ids.gid)
        resource = dac.plan(file.path, marker, label=(uid, gid))
        if resource is not None:
            planned.append({**resource, "alias": file.alias})
    return planned
