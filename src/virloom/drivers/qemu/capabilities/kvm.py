# SPDX-License-Identifier: Apache-2.0
"""Whether KVM really runs guests here.

A helper process finds out (:mod:`virloom.drivers.qemu.capabilities.kvm_check`); its verdict holds
for this boot, device and user, and is kept in a file.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

from virloom.drivers.qemu.capabilities import kvm_check
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, VirloomError
from virloom.host.boot import boot_id
from virloom.host.files import ensure_directory, write_atomic
from virloom.host.process import run

_log = logging.getLogger(__name__)

DEVICE = "/dev/kvm"

#: Seconds that the helper may take altogether, the start of its interpreter included.
_TIMEOUT = 10.0

#: Exit statuses of a helper that came to a verdict; any other failure is the helper's own.
_VERDICTS = (0, 1, -signal.SIGALRM)


class Verdict(NamedTuple):
    """Whether KVM works, and if not why."""

    usable: bool
    reason: str


async def check(directory: str | os.PathLike[str], *, device: str = DEVICE) -> Verdict:
    """Whether KVM runs guests, from the cache in *directory* or by trying.

    Never raises for what KVM or its device is like; a verdict that could not be found out counts
    as no, and is not kept.
    """
    try:
        key = _key(device)
    except OSError as exc:
        return Verdict(False, f"{device}: {exc.strerror}")
    if not os.access(device, os.R_OK | os.W_OK, effective_ids=True):
        return Verdict(False, f"{device}: this user may not open it")
    file = Path(directory) / "kvm.json"
    verdict = _load(file, key)
    if verdict is not None:
        return verdict
    try:
        verdict = await _try()
    except VirloomError as exc:
        return Verdict(False, exc.detail)
    _save(file, key, verdict)
    return verdict


async def usable(directory: str | os.PathLike[str]) -> bool:
    """Whether KVM runs guests; see :func:`check`."""
    return (await check(directory)).usable


async def require_usable(
    directory: str | os.PathLike[str], name: str, *, device: str = DEVICE
) -> None:
    """Refuses to start domain *name*, whose type is ``kvm``, where KVM runs no guests.

    The first call of a boot may take a second; QEMU itself would hang, or fail much later.

    Raises:
        ConfigUnsupported: It does not; says why. libvirt has this code for such a domain too.
    """
    verdict = await check(directory, device=device)
    if not verdict.usable:
        raise ConfigUnsupported(
            f"domain '{name}' is of type 'kvm', and KVM runs no guests here: {verdict.reason}",
            domain=ErrorDomain.QEMU,
            remedy="<domain type='qemu'> emulates",
        )


async def _try() -> Verdict:
    python = sys.executable or "python3"
    helper = await run([python, "-I", "-S", kvm_check.__file__], timeout=_TIMEOUT)
    if helper.returncode not in _VERDICTS:
        words = helper.stderr.decode(errors="replace").strip()
        raise InternalError(f"the helper that tries KVM failed ({helper.returncode}): {words}")
    if helper.returncode == -signal.SIGALRM:
        return Verdict(
            False, f"a virtual CPU did not do within {kvm_check.LIMIT} s what takes hardware 5 ms"
        )
    words = helper.stdout.decode(errors="replace").strip()
    return Verdict(helper.returncode == 0, words)


def _key(device: str) -> list[Any]:
    """All that a verdict depends on: boot, device, and who we are."""
    status = os.stat(device)
    who = [os.geteuid(), os.getegid(), *sorted(os.getgroups())]
    return [boot_id(), status.st_dev, status.st_ino, status.st_rdev, status.st_mode, who]


def _load(file: Path, key: list[Any]) -> Verdict | None:
    try:
        data = json.loads(file.read_bytes())
        if data["key"] != key:
            return None
        return Verdict(bool(data["usable"]), str(data["reason"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
        _log.warning("the verdict on KVM in '%s' is not usable and will be renewed: %s", file, exc)
        return None


def _save(file: Path, key: list[Any], verdict: Verdict) -> None:
    data = {"key": key, "usable": verdict.usable, "reason": verdict.reason}
    try:
        ensure_directory(file.parent)
        write_atomic(file, json.dumps(data).encode(), durable=False)
    except VirloomError as exc:
        _log.warning("the verdict on KVM is not kept: %s", exc)
