# SPDX-License-Identifier: Apache-2.0
"""Scripts that a card's document names: run when its tap comes, and when it has gone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError
from virloom.host.process import run

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Seconds that one may take; libvirt waits for good.
_PATIENCE = 60.0


async def run_script(driver: QemuDriver, path: str, tap: str) -> None:
    """Runs a script, whose one word is the name of the tap, where that is.

    Raises:
        InternalError: There is no such program, it takes more than a minute, or it fails, with
            what it said.
    """
    prefix = driver.space.prefix() if driver.space is not None else []
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    try:
        done = await run([*prefix, path, tap], env={"LC_ALL": "C", **known}, timeout=_PATIENCE)
    except VirloomError as exc:
        raise InternalError(
            f"script '{path}' of '{tap}': {exc.message}", domain=ErrorDomain.NONE
        ) from exc
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise InternalError(
            f"script '{path}' of '{tap}' ends with {done.returncode}{': ' if said else ''}{said}",
            domain=ErrorDomain.NONE,
        )
