# SPDX-License-Identifier: Apache-2.0
"""libvirt's configuration files: ``key = value`` with strings, integers and lists of them."""

from __future__ import annotations

import re
from pathlib import Path

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax, system_failure

#: A value of such a file.
Setting = str | int | list["str | int"]

_TOKEN = re.compile(
    r"""\s*(?:\#[^\n]*\n?)?(?:
        (?P<word>[A-Za-z_][\w-]*) | (?P<number>-?\d+) | "(?P<double>[^"\n]*)" |
        '(?P<single>[^'\n]*)' | \"\"\"(?P<triple>.*?)\"\"\" | (?P<mark>[=\[\],])
    )""",
    re.VERBOSE | re.DOTALL,
)


def _tokens(text: str, source: str) -> list[tuple[str, str, int]]:
    """(kind, text, line) of everything but white space and comments."""
    found: list[tuple[str, str, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        position = 0
        while (rest := line[position:].strip()) and not rest.startswith("#"):
            match = _TOKEN.match(line, position)
            if match is None:
                raise ConfSyntax(
                    f"{source}:{number}: cannot read '{rest}'", domain=ErrorDomain.CONF
                )
            kind = str(match.lastgroup)
            found.append((kind, match.group(kind), number))
            position = match.end()
    return found


class _Reader:
    """Takes tokens one after the other."""

    def __init__(self, text: str, source: str) -> None:
        self._tokens = _tokens(text, source)
        self._source = source
        self._next = 0

    def more(self) -> bool:
        return self._next < len(self._tokens)

    def take(self, what: str, *kinds: str) -> str:
        """The next token, which must be one of *kinds*, or a mark given as itself."""
        last = self._tokens[-1][2] if self._tokens else 1
        kind, text, line = self._tokens[self._next] if self.more() else ("end", "", last)
        if kind not in kinds and text not in kinds:
            raise ConfSyntax(
                f"{self._source}:{line}: expected {what}, found '{text or 'the end'}'",
                domain=ErrorDomain.CONF,
            )
        self._next += 1
        return text

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._next][:2] if self.more() else ("end", "")

    def scalar(self) -> str | int:
        kind, _ = self.peek()
        text = self.take("a value", "number", "double", "single", "triple")
        return int(text) if kind == "number" else text

    def value(self) -> Setting:
        if self.peek()[1] != "[":
            return self.scalar()
        self.take("'['", "[")
        items: list[str | int] = []
        while self.peek()[1] != "]":
            items.append(self.scalar())
            if self.peek()[1] != "]":
                self.take("',' or ']'", ",")
        self.take("']'", "]")
        return items


def parse_settings(text: str, source: str) -> dict[str, Setting]:
    """The settings of a configuration text; a later one of the same name wins.

    Raises:
        ConfSyntax: With the line, what was expected, and what was found.
    """
    reader = _Reader(text, source)
    settings: dict[str, Setting] = {}
    while reader.more():
        name = reader.take("a name", "word")
        reader.take("'='", "=")
        settings[name] = reader.value()
    return settings


def read_settings(path: Path) -> dict[str, Setting]:
    """The settings of a file; none where there is no file.

    Raises:
        ConfSyntax: The file is malformed.
        SystemFailure: It cannot be read.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        cause = exc if isinstance(exc, OSError) else OSError(84, "not UTF-8")
        raise system_failure(f"cannot read '{path}'", cause, domain=ErrorDomain.CONF) from exc
    return parse_settings(text, str(path))
