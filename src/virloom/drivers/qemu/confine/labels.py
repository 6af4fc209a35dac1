# SPDX-License-Identifier: Apache-2.0
"""The labels of a guest in the models that the kernel enforces: AppArmor's profile, SELinux's."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.files import plan_files
from virloom.drivers.qemu.confine.devices import read_directories, wanted_devices
from virloom.drivers.qemu.confine.owners import OwnedFile, owned_files
from virloom.drivers.qemu.devices.passed import passed_on
from virloom.drivers.qemu.process.resources import alias_of
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, system_failure
from virloom.host.files import ensure_directory, write_atomic
from virloom.host.process import run
from virloom.model.domain import Domain, Seclabel
from virloom.security import apparmor, selinux
from virloom.security.apparmor import Rule

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Directories that libusb lists before it opens a device.
_LIBUSB = ("/dev/bus/usb/", "/sys/bus/", "/sys/class/")

_PARSE_LIMIT = 60.0
"""Seconds that the parser may take; on a busy host it is a second."""


class Labelling(NamedTuple):
    """What is to be done for a guest's labels.

    Attributes:
        resources: For the guest's record, before anything is done.
        exec_labels: What is written for the kernel before QEMU's exec.
        files: Texts to be written, by path.
        profile: The file of a profile to be loaded.
        relabelled: Labels of files.
    """

    resources: list[dict[str, Any]]
    exec_labels: list[tuple[str, str]]
    files: Mapping[str, str] = MappingProxyType({})
    profile: str | None = None
    relabelled: Sequence[tuple[str, str]] = ()


def check_models(driver: QemuDriver, dom: Domain) -> None:
    """Refuse labels of models that are not in use, and guests that must be confined and are not.

    Raises:
        ConfigUnsupported: With the model.
    """
    stack = driver.security
    stack.check([label.model for label in dom.seclabels], f"domain '{dom.name}'")
    for disk in dom.devices.disks:
        models = [label.model for label in disk.source.seclabels]
        stack.check(models, f"disk '{disk.target.dev}' of domain '{dom.name}'")
    free = [label.model for label in dom.seclabels if label.type == "none"]
    if stack.require_confined and free:
        raise ConfigUnsupported(
            f"domain '{dom.name}' is not confined by '{free[0]}', and this host has no such guests",
            domain=ErrorDomain.SECURITY,
        )


def plan_labels(
    driver: QemuDriver, dom: Domain, chains: Mapping[str, tuple[ImageLayer, ...]], directory: str
) -> Labelling | None:
    """What a start does for the guest's labels; the live document has them from here on.

    Args:
        chains: Backing chain by alias of its disk.
        directory: The guest's own.

    Raises:
        InternalError: A path cannot be named in a profile, or SELinux has no policy.
    """
    plans = []
    for model in driver.security.models:
        label = _label(driver, dom, model)
        if label is None or label.type == "none":
            continue
        if model == "apparmor":
            plans.append(_plan_apparmor(driver, dom, chains, directory, label))
        else:
            plans.append(_plan_selinux(driver, dom, chains, label))
    if not plans:
        return None
    merged = plans[0]
    for plan in plans[1:]:
        merged = Labelling(*(_joined(*pair) for pair in zip(merged, plan, strict=True)))
    return merged


def _joined(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping):
        return {**one, **other}
    return one or other if one is None or isinstance(one, str) else [*one, *other]


def _label(driver: QemuDriver, dom: Domain, model: str) -> Seclabel | None:
    """The document's label of a model; a dynamic one is added where guests are to be confined."""
    found = next((label for label in dom.seclabels if label.model == model), None)
    if found is None and driver.security.default_confined:
        found = Seclabel(type="dynamic", model=model, relabel=True)
        dom.seclabels.append(found)
    return found


# -- AppArmor ------------------------------------------------------------------------------------


def _plan_apparmor(
    driver: QemuDriver,
    dom: Domain,
    chains: Mapping[str, tuple[ImageLayer, ...]],
    directory: str,
    label: Seclabel,
) -> Labelling:
    if label.type == "static":
        return Labelling([], [_entered(label.label or "")])
    uuid = dom.uuid or ""
    name = apparmor.profile_name(uuid)
    label.label = label.imagelabel = name
    place = profile_directory(driver) / name
    rules = f"{place}.files"
    try:
        texts = {
            rules: apparmor.rules_text(guest_rules(dom, chains, directory)),
            str(place): apparmor.profile_text(uuid, dom.devices.emulator or "", rules),
        }
    except ValueError as exc:
        raise InternalError(str(exc), domain=ErrorDomain.SECURITY) from exc
    resources: list[dict[str, Any]] = [{"kind": "file", "path": path} for path in texts]
    resources.append({"kind": "profile", "path": apparmor.REMOVE_FILE, "name": name})
    return Labelling(resources, [_entered(name)], texts, str(place))


def _entered(name: str) -> tuple[str, str]:
    place = next((path for path in apparmor.EXEC_FILES if os.path.exists(path)), "")
    return place or apparmor.EXEC_FILES[-1], f"exec {name}"


def profile_directory(driver: QemuDriver) -> Path:
    """Where profiles are: libvirt's place for them."""
    settings = driver.directories.settings
    etc = settings.parent if driver.directories.embeds else settings.parent.parent
    return etc / "apparmor.d" / "libvirt"


def guest_rules(
    dom: Domain, chains: Mapping[str, tuple[ImageLayer, ...]], directory: str
) -> Iterator[Rule]:
    """What a guest may do with the files that its document names.

    Files that it is handed open are among them: AppArmor looks at those again.
    """
    for request in plan_files(dom, chains):
        access = {"r": "r", "w": "w", "rw": "rw"}[request.access]
        yield Rule(os.path.realpath(request.path), access + ("k" if request.image else ""))
    for disk in dom.devices.disks:
        for depth, layer in enumerate(chains.get(alias_of(disk), ())):
            if layer.is_local:
                writes = depth == 0 and not disk.readonly
                yield Rule(os.path.realpath(layer.path), "rwk" if writes else "rk")
    for device in wanted_devices(dom, chains):
        yield Rule(os.path.realpath(device.path), "rwk")
    for hostdev in passed_on(dom):
        for path in read_directories(hostdev):
            yield Rule(path, "r", below=True)
        if hostdev.type == "usb":
            yield from (Rule(path, "r") for path in _LIBUSB)
            yield Rule("/run/udev/data", "r", below=True)
    yield Rule(directory, "rwk", below=True)


# -- SELinux -------------------------------------------------------------------------------------


def _plan_selinux(
    driver: QemuDriver,
    dom: Domain,
    chains: Mapping[str, tuple[ImageLayer, ...]],
    label: Seclabel,
) -> Labelling:
    if label.type == "dynamic":
        try:
            policy = selinux.read_policy()
            level = selinux.allocate(used_levels(driver))
            own = selinux.Context.parse(Path("/proc/self/attr/current").read_text())
            label.label, label.imagelabel = selinux.guest_labels(
                policy, level, base=label.baselabel, process=own
            )
        except (OSError, ValueError, LookupError) as exc:
            raise InternalError(
                f"domain '{dom.name}' cannot have an SELinux label: {exc}",
                domain=ErrorDomain.SECURITY,
            ) from exc
    elif label.relabel:
        label.imagelabel = label.label
    files = owned_files(dom, chains, model="selinux") if label.relabel else []
    return relabelling(files, label)


def relabelling(files: Sequence[OwnedFile], label: Seclabel) -> Labelling:
    """What gives files a guest's label, or their own."""
    wanted = [(os.path.realpath(file.path), file.label or label.imagelabel or "") for file in files]
    resources = [
        {"kind": "selinux", "path": path, "label": text, "former": selinux.current(path)}
        for path, text in wanted
    ]
    return Labelling(resources, [(selinux.EXEC_FILE, label.label or "")], relabelled=wanted)


def used_levels(driver: QemuDriver) -> set[str]:
    """The levels of the guests that run here."""
    found = set()
    for guest in driver.guests:
        if guest.running is not None:
            for label in guest.running.model.seclabels:
                if label.model == "selinux" and label.label:
                    found.add(selinux.Context.parse(label.label).level)
    return found


# -- both ----------------------------------------------------------------------------------------


async def enforce(labelling: Labelling) -> None:
    """Do what was planned; the record lists it by now.

    Raises:
        SystemFailure: A file cannot be written or labelled.
        InternalError: The parser does not take the profile; with its words.
    """
    for path, text in labelling.files.items():
        ensure_directory(os.path.dirname(path), 0o755)
        write_atomic(path, text.encode())
    if labelling.profile is not None:
        argv = [apparmor.PARSER, "--replace", "--skip-cache", labelling.profile]
        done = await run(argv, timeout=_PARSE_LIMIT)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()
            raise InternalError(
                f"'{labelling.profile}' cannot be loaded: {words}", domain=ErrorDomain.SECURITY
            )
    for path, label in labelling.relabelled:
        try:
            selinux.relabel(path, label)
        except OSError as exc:
            doing = f"cannot give '{path}' the label '{label}'"
            raise system_failure(doing, exc, domain=ErrorDomain.SECURITY) from exc
