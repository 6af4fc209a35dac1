# SPDX-License-Identifier: Apache-2.0
"""What a root directory belongs to: to an embedded driver, or to daemons; never to both.

Either leaves the file that a driver locks (libvirt's own: that with its pid): an embedded one in
``run/AREA/``, a daemon in ``run/libvirt/AREA/``.
"""

from __future__ import annotations

from pathlib import Path

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid

_LEFT = ("driver.lock", "driver.pid")


def refuse_embedded(root: Path, domain: ErrorDomain) -> None:
    """Keeps daemons off the root of an embedded driver, whose guests they would not see.

    Raises:
        OperationInvalid: *root* is one.
    """
    if _is_used(root / "run", but="libvirt"):
        raise OperationInvalid(
            f"'{root}' is the root directory of an embedded driver; a daemon does not serve it",
            domain=domain,
            remedy=f"open it as qemu:///embed?root={root}, or give the daemon another directory",
        )


def refuse_daemons(root: Path, domain: ErrorDomain) -> None:
    """Keeps an embedded driver off the root of daemons.

    Raises:
        OperationInvalid: *root* is one; the host's own daemons have "/".
    """
    if root == Path("/") or _is_used(root / "run/libvirt"):
        raise OperationInvalid(
            f"'{root}' is the root directory of daemons; a driver cannot be embedded there",
            domain=domain,
            remedy=f"connect to the sockets in '{root / 'run/libvirt'}', or name another directory",
        )


def _is_used(directory: Path, but: str | None = None) -> bool:
    return any(path.parent.name != but for name in _LEFT for path in directory.glob(f"*/{name}"))
