# SPDX-License-Identifier: Apache-2.0
"""What a guest holds of other drivers, on disk: found and given back by whoever opens the driver.

An entry is written before what it names is asked for, and goes when that has been given back:
whatever kill comes between, the next driver gives back what no guest has any more.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from virloom.host.files import write_atomic

logger = logging.getLogger(__name__)


class HeldList:
    """The list of what one guest holds: a name of each, and what it belongs to.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._held: dict[str, str] = json.loads(path.read_bytes())
        except FileNotFoundError:
            self._held = {}
        except ValueError as exc:
            logger.error("'%s' is no list of what a guest holds: %s", path, exc)
            self._held = {}

    @property
    def all(self) -> dict[str, str]:
        """A copy of what it says."""
        return dict(self._held)

    def add(self, name: str, owner: str) -> None:
        """Notes what is about to be asked for.

        Raises:
            SystemFailure: It cannot be written.
        """
        self._held[name] = owner
        self._save()

    def remove(self, name: str) -> None:
        """Forgets what was given back.

        Raises:
            SystemFailure: It cannot be written.
        """
        self._held.pop(name, None)
        if self._held:
            self._save()
        else:
            self.path.unlink(missing_ok=True)

    def _save(self) -> None:
        write_atomic(self.path, json.dumps(self._held).encode(), durable=False)
