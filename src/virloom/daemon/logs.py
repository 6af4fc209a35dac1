# SPDX-License-Identifier: Apache-2.0
"""Logging as libvirt configures it: a level, filters by name, outputs."""

from __future__ import annotations

import logging
import logging.handlers
import sys

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax

#: libvirt's levels, from 1.
_LEVELS = {"1": logging.DEBUG, "2": logging.INFO, "3": logging.WARNING, "4": logging.ERROR}

#: What journald takes for them at the beginning of a line (sd-daemon(3)).
_PRIORITIES = ((logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"))


class _JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        mark = next((text for least, text in _PRIORITIES if record.levelno >= least), "<7>")
        return mark + super().format(record)


class _Filter:
    """Levels of parts of the program; the first name that a logger's name contains counts."""

    def __init__(self, level: int, parts: list[tuple[int, str]]) -> None:
        self._level = level
        self._parts = parts

    def __call__(self, record: logging.LogRecord) -> bool:
        for level, name in self._parts:
            if name in record.name:
                return record.levelno >= level
        return record.levelno >= self._level


def configure(level: int, filters: str, outputs: str, *, verbose: bool) -> None:
    """Sets the process's logging up.

    Args:
        level: 1 debug to 4 error.
        filters: ``LEVEL:NAME`` separated by blanks; NAME is a part of a logger's name.
        outputs: ``LEVEL:stderr``, ``LEVEL:journald``, ``LEVEL:file:PATH``, ``LEVEL:syslog:NAME``;
            standard error if there is none.
        verbose: At least information.

    Raises:
        ConfSyntax: An entry is none of these.
    """
    parts = [_filter(entry) for entry in filters.split()]
    general = _LEVELS[str(min(level, 2) if verbose else level)]
    root = logging.getLogger()
    root.setLevel(min([general, *(least for least, _ in parts)]))
    for handler in [_output(entry) for entry in outputs.split()] or [_output("1:stderr")]:
        handler.addFilter(_Filter(general, parts))
        root.addHandler(handler)


def _filter(entry: str) -> tuple[int, str]:
    level, _, name = entry.partition(":")
    if level not in _LEVELS or not name:
        raise _wrong("log_filters", entry, "LEVEL:NAME with a level from 1 to 4")
    return _LEVELS[level], name


def _output(entry: str) -> logging.Handler:
    level, _, rest = entry.partition(":")
    kind, _, detail = rest.partition(":")
    handler: logging.Handler
    pattern = "%(asctime)s: %(process)d: %(levelname)s: %(name)s: %(message)s"
    formatter: logging.Formatter = logging.Formatter(pattern)
    if kind == "stderr":
        handler = logging.StreamHandler(sys.stderr)
    elif kind == "journald":
        handler = logging.StreamHandler(sys.stderr)
        formatter = _JournalFormatter("%(name)s: %(message)s")
    elif kind == "file" and detail.startswith("/"):
        handler = logging.handlers.WatchedFileHandler(detail)
    elif kind == "syslog":
        handler = logging.handlers.SysLogHandler("/dev/log")
        handler.ident = f"{detail}: "
        formatter = logging.Formatter("%(name)s: %(message)s")
    else:
        raise _wrong("log_outputs", entry, "LEVEL:stderr, :journald, :file:/PATH or :syslog:NAME")
    if level not in _LEVELS:
        raise _wrong("log_outputs", entry, "a level from 1 to 4 first")
    handler.setLevel(_LEVELS[level])
    handler.setFormatter(formatter)
    return handler


def _wrong(key: str, entry: str, wanted: str) -> ConfSyntax:
    return ConfSyntax(f"{key}: '{entry}' is not {wanted}", domain=ErrorDomain.CONF)
