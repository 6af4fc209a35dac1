# SPDX-License-Identifier: Apache-2.0
"""Which firmware a guest gets, from the descriptors that come with firmware packages.

The descriptors are QEMU's (``docs/interop/firmware.json``): a directory of JSON files whose
names sort by preference; a file in a later place replaces one of the same name, and an empty
one hides it.
"""

from __future__ import annotations

import fnmatch
import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from virloom.drivers.qemu.directories import Directories
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationInvalid
from virloom.model.domain import Domain, Smm

logger = logging.getLogger(__name__)

_INTERFACES = {"efi": "uefi", "bios": "bios"}
_SYSTEM_PLACES = (Path("/usr/share/qemu/firmware"), Path("/etc/qemu/firmware"))


def firmware_places() -> list[Path]:
    """Where descriptors are, later ones first in rank: the packages', the host's, the user's."""
    places = list(_SYSTEM_PLACES)
    if os.geteuid() != 0:
        home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        places.append(Path(home) / "qemu" / "firmware")
    return places


class Firmware(NamedTuple):
    """A firmware that a machine can have.

    Attributes:
        kinds: ``efi``, ``bios``: what ``<os firmware=''>`` may ask of it.
        path: Its code.
        secure: Whether it enforces secure boot, so that only a guest with SMM can have it.
    """

    kinds: tuple[str, ...]
    path: str
    secure: bool


def firmware_for(
    arch: str, machine: str, places: Sequence[Path] | None = None
) -> Iterator[Firmware]:
    """What is installed for that machine, most preferred first.

    Args:
        machine: Its canonical name.
        places: Directories of descriptors; :func:`firmware_places` by default.
    """
    for descriptor in _descriptors(places):
        if descriptor.fits(arch, machine):
            kinds = tuple(k for k, name in _INTERFACES.items() if name in descriptor.interfaces)
            yield Firmware(kinds, descriptor.executable, descriptor.secure)


def nvram_path(dom: Domain, directories: Directories) -> str | None:
    """Where the firmware's variables of this guest are kept; None if it has none.

    Also for a guest whose firmware is only chosen at its start.
    """
    if dom.os.nvram.type is not None:
        return None
    if dom.os.nvram.value:
        return dom.os.nvram.value
    loader = dom.os.loader
    flash = loader.type == "pflash" and loader.readonly is True
    if loader.stateless or not (flash or dom.os.firmware == "efi"):
        return None
    return str(directories.nvram / f"{dom.name}_VARS.fd")


def complete_loader(dom: Domain, directories: Directories | None) -> None:
    """What a definition fills in of an explicit loader: its kind and the variables' file."""
    if dom.os.firmware or not dom.os.loader.value:
        return
    if dom.os.loader.type is None:
        dom.os.loader.type = "rom"
    if dom.os.nvram.type is None:
        dom.os.nvram.source = None
    if directories is not None:
        dom.os.nvram.value = nvram_path(dom, directories)


def choose_firmware(
    dom: Domain, directories: Directories, places: Sequence[Path] | None = None
) -> None:
    """The firmware that ``firmware='efi'`` asks for, and its template.

    Afterwards the tree names the files, and ``firmware`` is gone, as in a running guest of
    libvirt 9.

    Args:
        dom: The tree to start, changed in place.
        directories: Where variables are kept.
        places: Directories of descriptors; :func:`firmware_places` by default.

    Raises:
        OperationFailed: No installed firmware does what is asked for.
        OperationInvalid: The firmware needs SMM, and the document turns it off.
    """
    if dom.os.firmware in _INTERFACES:
        _choose(dom, directories, _descriptors(places))


def choose_template(
    dom: Domain, directories: Directories, places: Sequence[Path] | None = None
) -> None:
    """What the variables of an explicit loader are made from, in place.

    Args:
        dom: The tree to start, after :func:`choose_firmware`.
        directories: Where variables are kept.
        places: Directories of descriptors; :func:`firmware_places` by default.

    Raises:
        OperationFailed: It is not known, and there are none yet.
    """
    if nvram_path(dom, directories) and not dom.os.nvram.template:
        _find_template(dom, _descriptors(places))


def _choose(dom: Domain, directories: Directories, descriptors: Iterator[_Descriptor]) -> None:
    candidates = []
    for descriptor in descriptors:
        refused = descriptor.refusal(dom)
        if refused is None:
            descriptor.apply(dom, directories)
            return
        candidates.append(f"{descriptor.name} {refused}")
    raise OperationFailed(
        f"no installed firmware does what domain '{dom.name}' asks of firmware="
        f"'{dom.os.firmware}': {'; '.join(candidates) or 'there is none at all'}",
        domain=ErrorDomain.QEMU,
        remedy=None if candidates else "on Debian: apt install ovmf",
    )


def _find_template(dom: Domain, descriptors: Iterator[_Descriptor]) -> None:
    loader = dom.os.loader.value
    for descriptor in descriptors:
        if descriptor.executable == loader and descriptor.template:
            dom.os.nvram.template = descriptor.template
            return
    if dom.os.nvram.value and os.path.exists(dom.os.nvram.value):
        return
    raise OperationFailed(
        f"no template of variables is known for loader '{loader}' of domain '{dom.name}'",
        domain=ErrorDomain.QEMU,
        remedy="name it in <nvram template='…'>",
    )


class _Descriptor:
    """One descriptor file."""

    def __init__(self, name: str, data: dict[str, Any]) -> None:
        self.name = name
        self.interfaces = list(data["interface-types"])
        self._features = frozenset(data["features"])
        self._targets = [(str(t["architecture"]), list(t["machines"])) for t in data["targets"]]
        mapping = data["mapping"]
        self._device = str(mapping["device"])
        self._mode = str(mapping.get("mode", "split"))
        code = mapping if self._device == "memory" else mapping["executable"]
        self.executable = str(code["filename"])
        self._format = str(code.get("format", "raw"))
        variables = mapping.get("nvram-template")
        self.template = str(variables["filename"]) if variables is not None else None

    @property
    def secure(self) -> bool:
        """Whether it enforces secure boot."""
        return {"secure-boot", "requires-smm"} <= self._features

    def fits(self, arch: str, machine: str) -> bool:
        """Whether it is for that machine, by its canonical name."""
        return any(
            arch == kind and any(fnmatch.fnmatchcase(machine, name) for name in machines)
            for kind, machines in self._targets
        )

    def refusal(self, dom: Domain) -> str | None:
        """Why it is not for this guest; None if it is."""
        if _INTERFACES[dom.os.firmware or ""] not in self.interfaces:
            return f"is {' and '.join(self.interfaces)}"
        arch, machine = dom.os.type.arch or "", dom.os.type.machine or ""
        if not self.fits(arch, machine):
            return f"is not for machine '{machine}'"
        if self._device not in ("flash", "memory") or self._format != "raw":
            return "is of a kind that cannot be loaded"
        stateless = bool(dom.os.loader.stateless)
        if self._device == "flash" and stateless != (self._mode == "stateless"):
            return "needs variables" if stateless else f"is {self._mode}"
        return self._missing(dom)

    def _missing(self, dom: Domain) -> str | None:
        for state, feature in (
            (dom.pm.suspend_to_mem.enabled, "acpi-s3"),
            (dom.pm.suspend_to_disk.enabled, "acpi-s4"),
            (dom.os.loader.secure, "secure-boot"),
        ):
            if state and feature not in self._features:
                return f"lacks {feature}"
        for asked in dom.os.firmware_features.features:
            if asked.enabled is not None and asked.enabled != (asked.name in self._features):
                return f"{'lacks' if asked.enabled else 'has'} {asked.name}"
        return None

    def apply(self, dom: Domain, directories: Directories) -> None:
        """Writes the choice into the tree."""
        loader, nvram = dom.os.loader, dom.os.nvram
        if "requires-smm" in self._features:
            smm = dom.features.smm
            if smm is not None and smm.state is False:
                raise OperationInvalid(
                    f"domain '{dom.name}' turns SMM off, and firmware {self.name} needs it",
                    domain=ErrorDomain.QEMU,
                )
            dom.features.smm = smm or Smm()
            dom.features.smm.state = True
            loader.secure = True
        loader.value = self.executable
        if self._device == "memory":
            loader.type = "rom"
        else:
            loader.type, loader.readonly = "pflash", True
            if self.template is not None and self._mode == "split":
                nvram.template = self.template
                nvram.value = nvram_path(dom, directories)
        dom.os.firmware = None


def _descriptors(places: Sequence[Path] | None) -> Iterator[_Descriptor]:
    """All descriptors, most preferred first; one that cannot be read is left out and logged."""
    files: dict[str, Path] = {}
    for place in firmware_places() if places is None else places:
        try:
            files.update((path.name, path) for path in place.iterdir() if path.suffix == ".json")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            logger.warning("cannot read the firmware descriptors in %s: %s", place, exc)
    for name in sorted(files):
        try:
            text = files[name].read_bytes()
            if text.strip():
                yield _Descriptor(name, json.loads(text))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            logger.warning("firmware descriptor %s left out: %s", files[name], exc)
