# SPDX-License-Identifier: Apache-2.0
"""Arguments of a QEMU under construction, in both of its syntaxes.

JSON where QEMU takes it, which needs no care. The older ``key=value,…`` elsewhere, where a comma
in a value is written twice; no name or path goes into an option but through :func:`keyval`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from virloom.errors import InternalError
from virloom.model.domain import QemuProperty

#: A JSON object as QEMU's options take it.
Props = dict[str, Any]

# Non-ASCII as \u escapes: no locale and no stray surrogate can spoil the argument.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def escape(value: object) -> str:
    """A value as it stands in ``key=value,…``: commas doubled, booleans as ``on`` and ``off``."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value).replace(",", ",,")


#: The value of a key that stands alone.
BARE = object()


def keyval(pairs: Iterable[tuple[str, object]]) -> str:
    """``key=value,…`` of the *pairs* whose value is not None; of a :data:`BARE` one the key."""
    return ",".join(
        key if value is BARE else f"{key}={escape(value)}"
        for key, value in pairs
        if value is not None
    )


def overridden(props: Props, changes: list[QemuProperty]) -> Props:
    """A device's properties with the changes of the document."""
    made = dict(props)
    for change in changes:
        name, value = change.name or "", change.value or ""
        if change.type == "remove":
            made.pop(name, None)
        elif change.type == "string":
            made[name] = value
        elif change.type == "bool":
            made[name] = value == "true"
        else:
            made[name] = int(value)
    return made


class Arguments:
    """What the configurators write into.

    Attributes:
        argv: The command line, program first.
        fdsets: For each descriptor key of the launcher the fd set it was put into. Numbers are
            given in order of use and never change while the guest lives.
        next_fdset: The first free number.
    """

    def __init__(
        self,
        program: str,
        files: Mapping[str, int | str],
        overrides: Mapping[str, list[QemuProperty]] | None = None,
    ) -> None:
        self.argv = [program]
        self._overrides = overrides or {}
        self.fdsets: dict[str, int] = {}
        self._files = files
        self.next_fdset = 0

    def option(self, name: str, value: str | None = None) -> None:
        """Appends ``-name`` and, unless None, its value."""
        self.argv.append("-" + name)
        if value is not None:
            self.argv.append(value)

    def device(self, props: Props) -> None:
        """Appends ``-device`` with JSON properties, changed where the document says so."""
        changes = self._overrides.get(props.get("id", ""))
        if changes:
            props = overridden(props, changes)
        self.argv += ("-device", _encode(props))

    def object(self, props: Props) -> None:
        """Appends ``-object`` with JSON properties."""
        self.argv += ("-object", _encode(props))

    def blockdev(self, props: Props) -> None:
        """Appends ``-blockdev`` with JSON properties."""
        self.argv += ("-blockdev", _encode(props))

    def netdev(self, props: Props) -> None:
        """Appends ``-netdev`` with JSON properties."""
        self.argv += ("-netdev", _encode(props))

    def audiodev(self, props: Props) -> None:
        """Appends ``-audiodev`` with JSON properties."""
        self.argv += ("-audiodev", _encode(props))

    def descriptor(self, key: str) -> int | str:
        """The descriptor that the launcher opened for *key*, or the path that QEMU opens.

        Raises:
            InternalError: It opened none: the list of requests and this builder disagree.
        """
        try:
            return self._files[key]
        except KeyError:
            raise InternalError(
                f"no descriptor was opened for '{key}' of the QEMU command line"
            ) from None

    def inherited(self, key: str) -> str:
        """A path under which QEMU opens again what was opened for *key*."""
        opened = self.descriptor(key)
        return opened if isinstance(opened, str) else f"/proc/self/fd/{opened}"

    def fdset(self, key: str) -> str:
        """Puts the descriptor of *key* into a new fd set and returns its path."""
        opened = self.descriptor(key)
        if isinstance(opened, str):
            return opened
        number = self.next_fdset
        self.next_fdset += 1
        pairs = (("set", number), ("fd", opened), ("opaque", key))
        self.option("add-fd", keyval(pairs))
        self.fdsets[key] = number
        return f"/dev/fdset/{number}"
