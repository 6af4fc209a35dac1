# SPDX-License-Identifier: Apache-2.0
"""Steps of a session with ``import libvirt``, whichever that is, and what came of them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import libvirt

#: What differs between two runs.
_VARIES = (
    (re.compile(r"52:54:00:[0-9a-f:]{8}"), "52:54:00:MA:CA:DD"),
    (re.compile(r"<creationTime>\d+<"), "<creationTime>TIME<"),
)
_KINDS = {
    libvirt.virDomain: ("name", "ID", "UUIDString"),
    libvirt.virNetwork: ("name", "UUIDString"),
    libvirt.virStoragePool: ("name", "UUIDString"),
    libvirt.virStorageVol: ("name", "key"),
    libvirt.virInterface: ("name", "MACString"),
    libvirt.virNodeDevice: ("name",),
    libvirt.virDomainSnapshot: ("getName",),
    libvirt.virDomainCheckpoint: ("getName",),
}


class Steps:
    """Each step names the function of the API that it tries.

    Args:
        conn: The connection.
    """

    def __init__(self, conn: libvirt.virConnect) -> None:
        self.conn = conn
        self.rows: list[list[Any]] = []
        self._heard: list[list[Any]] = []
        self._lock = threading.Condition()

    def __call__(self, api: str, work: Callable[..., Any], *args: Any) -> Any:
        """Runs one step, and notes its result, or code and domain of its error."""
        result, said = None, ""
        try:
            result = work(*args)
            row = ["gave", self.shown(result)]
        except libvirt.libvirtError as exc:
            row = ["failed", exc.get_error_code(), exc.get_error_domain()]
            said = str(exc)
        except Exception as exc:
            row = ["raised", type(exc).__name__]
            said = str(exc)
        self.rows.append([api, row, said])
        return result

    def shown(self, value: Any) -> Any:
        """A value with its types, as JSON has it."""
        for kind, names in _KINDS.items():
            if isinstance(value, kind):
                return [kind.__name__, *(getattr(value, name)() for name in names)]
        if isinstance(value, dict):
            return {str(key): self.shown(item) for key, item in sorted(value.items())}
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, *map(self.shown, value)]
        if isinstance(value, bytes):
            return ["bytes", value[:64].hex(), len(value)]
        if isinstance(value, str):
            for pattern, put in _VARIES:
                value = pattern.sub(put, value)
            return value
        if isinstance(value, (int, float, bool)) or value is None:
            return value
        return f"<{type(value).__name__}>"

    def listen(self, kind: str) -> Callable[..., None]:
        """A callback that notes what it was called with, but the connection and the opaque."""

        def callback(conn: Any, *rest: Any) -> None:
            with self._lock:
                self._heard.append([kind, *map(self._named, rest[:-1])])
                self._lock.notify_all()

        return callback

    def _named(self, value: Any) -> Any:
        """An object by its name: where the binding is late, it may have gone."""
        return value.name() if hasattr(value, "name") else self.shown(value)

    def heard(self, what: str) -> None:
        """Notes the events since the last time, in their order, once no more of them come."""
        with self._lock:
            while self._lock.wait(0.5):
                pass
            self.rows.append([f"events: {what}", self._heard, ""])
            self._heard = []
