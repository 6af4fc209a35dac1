# SPDX-License-Identifier: Apache-2.0
"""What is on a device, told by blkid(8), before something is written over it."""

from __future__ import annotations

import asyncio
import os

from virloom.drivers.storage.host import StorageHost
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid, StoragePoolBuilt, StorageProbeFailed, system_failure

_DOMAIN = ErrorDomain.STORAGE
#: Exit codes of ``blkid -p``: nothing that it knows, and more than one thing.
_NOTHING, _AMBIVALENT = 2, 8
#: libvirt's names of what blkid(8) and parted(8) call otherwise.
_TABLES = {"msdos": "dos", "sgi": "dvh", "LVM2_member": "lvm2"}
#: Bytes at either end that are overwritten: a GPT has its copy at the end.
_CLEARED = 1 << 20


async def signatures(host: StorageHost, device: str) -> dict[str, str]:
    """What ``blkid -p`` says of a device (``TYPE`` of its content, ``PTTYPE`` of its table).

    Raises:
        StorageProbeFailed: It cannot be read, or there is more than one thing on it.
    """
    if not await asyncio.to_thread(os.path.exists, device):  # of which blkid says nothing
        raise StorageProbeFailed(f"there is no device '{device}'", domain=_DOMAIN)
    done = await host.run(["blkid", "-p", "-o", "export", device])
    if done.returncode == _NOTHING:
        return {}
    if done.returncode != 0:
        what = "more than one format is" if done.returncode == _AMBIVALENT else "nothing can be"
        said = done.stderr.decode(errors="replace").strip()
        raise StorageProbeFailed(f"{what} recognized on '{device}': {said}", domain=_DOMAIN)
    lines = done.stdout.decode(errors="replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


async def check_empty(host: StorageHost, device: str, form: str) -> None:
    """Refuses a device on which there is anything.

    Args:
        form: What is to be written there.

    Raises:
        StoragePoolBuilt: There is something.
        StorageProbeFailed: It cannot be told.
    """
    there = await _there(host, device)
    if there == form:
        raise StoragePoolBuilt(
            f"Device '{device}' already formatted using '{form}'", domain=_DOMAIN
        )
    if there is not None:
        raise StoragePoolBuilt(
            f"'{there}' is on device '{device}', not '{form}': forced overwrite is necessary",
            domain=_DOMAIN,
        )


async def check_label(host: StorageHost, device: str, label: str) -> None:
    """Checks that a device has a partition table of a format.

    Raises:
        StorageProbeFailed: It has none.
        OperationInvalid: It has another, or a file system.
    """
    there = await _there(host, device)
    if there is None:
        raise StorageProbeFailed(
            f"Device '{device}' is unrecognized, requires build", domain=_DOMAIN
        )
    if there != label:
        raise OperationInvalid(
            f"Format of device '{device}' is '{there}', not the expected '{label}'", domain=_DOMAIN
        )


async def _there(host: StorageHost, device: str) -> str | None:
    """What is on a device: a format of libvirt's, or whatever blkid(8) or parted(8) call it."""
    found = await signatures(host, device)
    there = found.get("PTTYPE") or found.get("TYPE")
    if there in (None, "dos"):  # which knows no BSD labels, and takes those of PC-98 for DOS
        done = await host.run(["parted", "--machine", "-s", device, "print"])
        words = done.stdout.decode(errors="replace").split(":")
        if done.returncode == 0 and len(words) > 5 and words[5] != "loop":
            there = words[5]
    return _TABLES.get(there, there) if there is not None else None


def clear(device: str) -> None:
    """Overwrites where partition tables and the beginnings of file systems are; by a thread.

    Raises:
        SystemFailure: It cannot be written.
    """
    try:
        with open(device, "r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            for place in (0, max(0, size - _CLEARED)):
                file.seek(place)
                file.write(bytes(min(_CLEARED, size - place)))
            os.fsync(file.fileno())
    except OSError as exc:
        raise system_failure(
            f"Failed to open storage volume with path '{device}'", exc, domain=_DOMAIN
        ) from exc
