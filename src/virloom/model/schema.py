# SPDX-License-Identifier: Apache-2.0
"""Which names libvirt's schema has at a path, for what the classes do not declare."""

from __future__ import annotations

import re
from functools import cache

#: What the schema has and libvirt 9's own reader passes over: its documents come back without, and
#: no guest is another for it.
_UNREAD = re.compile(
    r"domain/devices/(serial|parallel|channel)/@tty"
    r"|domain/devices/((parallel|console)/target/model|smartcard/target)"
    r"|domain/devices/hostdev/source/adapter/(@(?!name$).*|parentaddr)"
    r"|.*/privateData"
    r"|.*/source/(@missing|@macTableManager|address/@multifunction)"
    r"|domain/launchSecurity/handle"
    r"|pool/source/format/(product|vendor)"
)


class PathSchema:
    """One document type of :mod:`virloom.model.schema_paths`, which is read on first use."""

    __slots__ = ("_paths", "root")

    def __init__(self, root: str) -> None:
        self.root = root
        self._paths: dict[str, str] | None = None

    def _table(self) -> dict[str, str]:
        if self._paths is None:
            # 100 kB that only documents with something unmodelled need.
            from virloom.model.schema_paths import PATHS

            self._paths = PATHS[self.root]
        return self._paths

    def _entry(self, path: str) -> str | None:
        # The schema recurs in backing chains; the table ends at the second level.
        while "backingStore/backingStore" in path:
            path = path.replace("backingStore/backingStore", "backingStore")
        return self._table().get(path)

    def knows_element(self, path: str) -> bool:
        """Whether the schema has an element at this path."""
        return self._entry(path) is not None

    def knows_attribute(self, path: str, name: str) -> bool:
        """Whether the element at this path may have the attribute."""
        return name in (self._entry(path) or "").split()

    def passes_over(self, path: str) -> bool:
        """Whether a path (attributes as ``/@name``) says nothing to libvirt itself."""
        return _UNREAD.fullmatch(path) is not None

    def attributes(self, path: str) -> list[str]:
        """The attributes that the schema has at this path."""
        return (self._entry(path) or "").split()

    def elements(self, path: str) -> list[str]:
        """The elements that the schema has right below this path."""
        while "backingStore/backingStore" in path:
            path = path.replace("backingStore/backingStore", "backingStore")
        above = f"{path}/"
        return [
            below[len(above) :]
            for below in self._table()
            if below.startswith(above) and "/" not in below[len(above) :]
        ]


@cache
def schema(root: str) -> PathSchema:
    """The schema of a document type, by the name of its root element."""
    return PathSchema(root)
