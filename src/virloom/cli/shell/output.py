# SPDX-License-Identifier: Apache-2.0
"""What a command prints: as virsh does, or as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from virloom.cli.shell.columns import render
from virloom.client.params import ParamValue

Pairs = Iterable[tuple[str, object]]


class Output(Protocol):
    """Where a command's results go."""

    def text(self, text: str) -> None:
        """A line, or lines, that are themselves the result."""

    def document(self, text: str) -> None:
        """A document, such as XML; it need not end its last line."""

    def note(self, text: str, end: str = "\n") -> None:
        """What is only for a reader: left out with ``--quiet``; *end* follows it."""

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under headers."""

    def lines(
        self, titles: Sequence[str], rows: Iterable[Sequence[str]], layout: str, heading: str = ""
    ) -> None:
        """Rows without headers, each laid out by *layout*; for a reader below *heading*."""

    def column(self, title: str, values: Iterable[object]) -> None:
        """Values of the same kind, each on a line of its own."""

    def fields(self, pairs: Pairs, layout: str = "{:<15} {}") -> None:
        """Names with values; *layout* lays out one line of them."""

    def value(self, name: str, text: object, end: str = "\n") -> None:
        """One value, which stands alone on its line; *end* follows it."""

    def raw(self, text: str) -> None:
        """Text as it is, without an end of line."""

    def record(self, title: str, layout: str, values: Mapping[str, ParamValue]) -> None:
        """Values of one of several objects."""

    def end(self, *, blank: bool = True) -> None:
        """The command has ended; *blank*: a blank line follows it."""


class PlainOutput:
    """Lines of text, byte for byte as virsh prints them."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def text(self, text: str) -> None:
        self.raw(text + "\n")

    def document(self, text: str) -> None:
        self.raw(text if not text or text.endswith("\n") else text + "\n")

    def note(self, text: str, end: str = "\n") -> None:
        if not self.quiet:
            self.raw(text + end)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.raw(render(None if self.quiet else headers, rows))

    def lines(
        self, titles: Sequence[str], rows: Iterable[Sequence[str]], layout: str, heading: str = ""
    ) -> None:
        if heading:
            self.note(heading)
        for row in rows:
            self.text(layout.format(*row))

    def column(self, title: str, values: Iterable[object]) -> None:
        for value in values:
            self.text(str(value))

    def fields(self, pairs: Pairs, layout: str = "{:<15} {}") -> None:
        for name, value in pairs:
            self.text(layout.format(name, value))

    def value(self, name: str, text: object, end: str = "\n") -> None:
        self.raw(str(text) + end)

    def raw(self, text: str) -> None:
        sys.stdout.write(text)

    def record(self, title: str, layout: str, values: Mapping[str, ParamValue]) -> None:
        self.text(title)
        for name, value in values.items():
            self.text(layout.format(name, shown_value(value)))

    def end(self, *, blank: bool = True) -> None:
        if blank:
            self.note("")


def shown_value(value: ParamValue) -> str:
    """A typed parameter's value as virsh prints it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:f}" if isinstance(value, float) else str(value)


class JsonOutput:
    """One JSON value per command: a list for a table, an object for fields and values.

    A table's and a field's keys are their titles in lower case with ``_`` for what is no letter.
    """

    def __init__(self) -> None:
        self._object: dict[str, Any] = {}
        self._tables: list[list[dict[str, Any]]] = []
        self._lines: list[str] = []

    def text(self, text: str) -> None:
        self._lines.append(text)

    def document(self, text: str) -> None:
        self._object["document"] = text

    def note(self, text: str, end: str = "\n") -> None:
        if text:
            self._object["message"] = text

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        keys = [key_of(header) for header in headers]
        self._tables.append([dict(zip(keys, row, strict=True)) for row in rows])

    def lines(
        self, titles: Sequence[str], rows: Iterable[Sequence[str]], layout: str, heading: str = ""
    ) -> None:
        self.table(titles, list(rows))

    def column(self, title: str, values: Iterable[object]) -> None:
        self.table([title], [[str(value)] for value in values])

    def fields(self, pairs: Pairs, layout: str = "") -> None:
        self._object.update({key_of(name): _plain(value) for name, value in pairs})

    def value(self, name: str, text: object, end: str = "\n") -> None:
        self._object[key_of(name)] = _plain(text)

    def raw(self, text: str) -> None:
        self._lines.append(text)

    def record(self, title: str, layout: str, values: Mapping[str, ParamValue]) -> None:
        kind, _, name = title.partition(": ")
        self._tables.append([{key_of(kind): name.strip("'"), **values}])

    def end(self, *, blank: bool = True) -> None:
        found = self._result()
        self._object, self._tables, self._lines = {}, [], []
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")

    def _result(self) -> Any:
        if self._lines:
            self._object["text"] = "\n".join(self._lines)
        if not self._tables:
            return self._object
        rows = [row for table in self._tables for row in table]
        return {**self._object, "rows": rows} if self._object else rows


def key_of(title: str) -> str:
    """A title as a key: ``CPU time:`` is ``cpu_time``."""
    return re.sub(r"[^a-z0-9.]+", "_", title.lower()).strip("_")


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | bool) else str(value).strip()
