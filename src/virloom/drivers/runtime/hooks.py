# SPDX-License-Identifier: Apache-2.0
"""Hook scripts of the host: ``hooks/DRIVER`` and ``hooks/DRIVER.d/*``, as libvirt calls them.

A script gets four words (the object, the operation, its phase, and one more) and the object's
document on its standard input. One that fails, or does not end in time, makes what can still be
refused fail, and is logged otherwise.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from virloom.enums.error import ErrorDomain
from virloom.errors import HookScriptFailed, VirloomError
from virloom.host.process import run

logger = logging.getLogger(__name__)

#: Seconds that one script may take; libvirt waits for good.
PATIENCE = 60.0


class Hooks:
    """The scripts of one driver.

    Args:
        directory: Of all hooks; None for a driver that has none.
        driver: Its name there.
        patience: Seconds for one script.
    """

    def __init__(self, directory: Path | None, driver: str, *, patience: float = PATIENCE) -> None:
        self._directory = directory
        self._driver = driver
        self._patience = patience

    def scripts(self) -> list[Path]:
        """Those that are there and can be run: the driver's own, then those of its directory."""
        if self._directory is None:
            return []
        own = self._directory / self._driver
        beside = self._directory / f"{self._driver}.d"
        try:
            names = sorted(os.listdir(beside))
        except OSError:  # there is no such directory
            names = []
        found = [own, *(beside / name for name in names)]
        return [path for path in found if path.is_file() and os.access(path, os.X_OK)]

    async def run(
        self, name: str, operation: str, phase: str, extra: str = "-", document: str = ""
    ) -> str:
        """Runs all of them in order, up to the first that fails; what the last one said.

        Raises:
            HookScriptFailed: One failed, with what it said, or took too long.
        """
        said = ""
        for script in self.scripts():
            argv = [str(script), name, operation, phase, extra]
            try:
                done = await run(argv, input=document.encode(), timeout=self._patience)
            except VirloomError as exc:
                raise _failed(str(script), exc.detail) from exc
            if done.returncode != 0:
                error = done.stderr.decode(errors="replace").strip()
                raise _failed(str(script), f"exit status {done.returncode}: {error}")
            said = done.stdout.decode(errors="replace")
        return said

    async def try_run(
        self, name: str, operation: str, phase: str, extra: str = "-", document: str = ""
    ) -> None:
        """As :meth:`run`, for what happens all the same: a failure is logged."""
        try:
            await self.run(name, operation, phase, extra, document)
        except VirloomError as exc:
            logger.error("%s", exc.message)


def _failed(script: str, why: str) -> VirloomError:
    return HookScriptFailed(f"hook script '{script}': {why}", domain=ErrorDomain.HOOK)
