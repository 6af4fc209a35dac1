# SPDX-License-Identifier: Apache-2.0
"""What one libvirtd has found out about the host's emulators, for those that are started later.

Each of ours has empty directories, and looks at every emulator anew when it is first asked what
there is: twenty seconds of both processors. libvirt itself sees whether a finding is still good:
it notes the emulator's time of change, its own, the kernel and the processor.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

#: Where libvirt keeps its findings.
FINDINGS = "var/cache/libvirt/qemu/capabilities"


def kept() -> Path:
    """Where they are kept between starts: ours alone, so that nobody puts others there.

    Raises:
        PermissionError: Somebody else has the place.
    """
    place = Path(tempfile.gettempdir()) / f"virloom-probed-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.getuid():
        raise PermissionError(f"'{place}' is somebody else's")
    return place


def keep(root: Path) -> None:
    """Keeps what the libvirtd that sees the files below *root* has found out."""
    place = kept()
    for found in (root / FINDINGS).glob("*.xml"):
        if not (place / found.name).exists():
            part = place / f".{found.name}.{os.getpid()}"
            shutil.copyfile(found, part)
            part.rename(place / found.name)
