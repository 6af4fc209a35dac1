# SPDX-License-Identifier: Apache-2.0
"""Logging as libvirt configures it: a level, filters by name, outputs, lines of the same form."""

from __future__ import annotations

import fnmatch
import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

from virloom.daemon.journal import JournalHandler, has_journal
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax

#: libvirt's levels, from 1.
_LEVELS = {"1": logging.DEBUG, "2": logging.INFO, "3": logging.WARNING, "4": logging.ERROR}

#: What libvirt's lines call them.
_NAMES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning"}


class Logging(NamedTuple):
    """What is logged, and where to.

    Attributes:
        level: 1 debug to 4 error.
        filters: ``LEVEL:NAME`` separated by blanks; NAME is a part of a logger's name, with ``*``
            for anything. The first one that matches counts.
        outputs: ``LEVEL:stderr``, ``LEVEL:journald``, ``LEVEL:file:PATH``, ``LEVEL:syslog:NAME``.
    """

    level: int
    filters: str
    outputs: str

    def overridden(self, environment: Mapping[str, str]) -> Logging:
        """With what libvirt's variables say, which come before a file."""
        level = environment.get("LIBVIRT_DEBUG", "")
        names = {"debug": "1", "info": "2", "warning": "3", "error": "4"}
        number = names.get(level, level)
        return Logging(
            int(number) if number in _LEVELS else self.level,
            environment.get("LIBVIRT_LOG_FILTERS") or self.filters,
            environment.get("LIBVIRT_LOG_OUTPUTS") or self.outputs,
        )


class _Formatter(logging.Formatter):
    """libvirt's lines: time in UTC, thread, level, place, message."""

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.created))
        level = _NAMES.get(record.levelno, "error")
        text = (
            f"{when}.{int(record.msecs):03d}+0000: {record.process}: "
            f"{level} : {record.name}:{record.lineno} : {record.getMessage()}"
        )
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class _Filter:
    """Levels of parts of the program; the first pattern that a logger's name contains counts."""

    def __init__(self, level: int, parts: list[tuple[int, str]]) -> None:
        self._level = level
        self._parts = [(least, f"*{pattern}*") for least, pattern in parts]

    def __call__(self, record: logging.LogRecord) -> bool:
        for level, pattern in self._parts:
            if fnmatch.fnmatchcase(record.name, pattern):
                return record.levelno >= level
        return record.levelno >= self._level


def default_output(file: str, *, background: bool) -> str:
    """Where to log without a word, as libvirt has it: the journal, else *file* or the terminal."""
    if has_journal() and (background or not sys.stderr.isatty()):
        return "1:journald"
    return f"1:file:{file}" if background else "1:stderr"


#: The outputs that the last configuration made.
_ours: list[logging.Handler] = []


def configure(wanted: Logging, *, name: str, default: str, verbose: bool) -> None:
    """Sets the process's logging up, or changes it; what cannot be done leaves it as it was.

    Args:
        wanted: The configuration.
        name: Of the program, for the journal.
        default: The output, if there is none.
        verbose: At least information.

    Raises:
        ConfSyntax: An entry makes no sense.
        OSError: An output cannot be opened.
    """
    parts = [_filter(entry) for entry in wanted.filters.split()]
    general = _LEVELS[str(min(wanted.level, 2) if verbose else wanted.level)]
    root = logging.getLogger()
    handlers = [_output(entry, name) for entry in wanted.outputs.split() or [default]]
    for handler in _ours:
        root.removeHandler(handler)
        handler.close()
    _ours[:] = handlers
    root.setLevel(min([general, *(least for least, _ in parts)]))
    for handler in handlers:
        handler.addFilter(_Filter(general, parts))
        root.addHandler(handler)


def check(wanted: Logging) -> None:
    """Looks at the entries only.

    Raises:
        ConfSyntax: One makes no sense.
    """
    for entry in wanted.filters.split():
        _filter(entry)
    for entry in wanted.outputs.split():
        _split_output(entry)


def _filter(entry: str) -> tuple[int, str]:
    level, _, pattern = entry.partition(":")
    pattern = pattern.removeprefix("+")  # older releases logged the stack for these
    if level not in _LEVELS or not pattern:
        raise _wrong("log_filters", entry, "LEVEL:NAME with a level from 1 to 4")
    return _LEVELS[level], pattern


def _split_output(entry: str) -> tuple[int, str, str]:
    """Level, kind and detail."""
    level, _, rest = entry.partition(":")
    kind, _, detail = rest.partition(":")
    if level not in _LEVELS:
        raise _wrong("log_outputs", entry, "a level from 1 to 4 first")
    good = {
        "stderr": not detail,
        "journald": not detail,
        "syslog": bool(detail),
        "file": detail.startswith("/"),
    }
    if not good.get(kind, False):
        raise _wrong("log_outputs", entry, "LEVEL:stderr, :journald, :file:/PATH or :syslog:NAME")
    return _LEVELS[level], kind, detail


def _output(entry: str, name: str) -> logging.Handler:
    level, kind, detail = _split_output(entry)
    handler: logging.Handler
    formatter: logging.Formatter = _Formatter()
    if kind == "stderr":
        handler = logging.StreamHandler(sys.stderr)
    elif kind == "journald":
        handler = JournalHandler(name)
    elif kind == "file":
        os.makedirs(os.path.dirname(detail), exist_ok=True)
        from logging.handlers import WatchedFileHandler  # 5 ms that most daemons do without

        handler = WatchedFileHandler(detail)
    else:
        from logging.handlers import SysLogHandler

        handler = SysLogHandler("/dev/log")
        handler.ident = f"{detail}: "
        formatter = logging.Formatter("%(name)s: %(message)s")
    handler.setLevel(level)
    handler.setFormatter(formatter)
    return handler


def _wrong(key: str, entry: str, wanted: str) -> ConfSyntax:
    return ConfSyntax(f"{key}: '{entry}' is not {wanted}", domain=ErrorDomain.CONF)
