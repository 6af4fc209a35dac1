# SPDX-License-Identifier: Apache-2.0
"""Logging: filters, outputs, variables, and the lines that come of it."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from virloom.daemon import logs
from virloom.daemon.journal import JournalHandler, encode
from virloom.daemon.logs import Logging
from virloom.errors import ConfSyntax


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """The root logger, which is afterwards as it was."""
    logger = logging.getLogger()
    before, level = list(logger.handlers), logger.level
    yield logger
    logger.setLevel(level)
    for handler in [each for each in logger.handlers if each not in before]:
        logger.removeHandler(handler)
        handler.close()


def logged(tmp_path: Path, level: int, filters: str, *, verbose: bool = False) -> list[str]:
    """The messages of a few loggers that come through."""
    path = tmp_path / "log"
    wanted = Logging(level, filters, f"1:file:{path}")
    logs.configure(wanted, name="test", default="1:stderr", verbose=verbose)
    for name in ("virloom.daemon.special", "virloom.drivers.qemu.driver", "virloom.rpc.xdr"):
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            short = name.rpartition(".")[2]
            logging.getLogger(name).log(number, f"{short} {number}")
    return [line.rpartition(" : ")[2] for line in path.read_text().splitlines()]


def test_filters_choose_by_name(tmp_path: Path) -> None:
    found = logged(tmp_path, 4, "1:daemon.special 3:qemu")
    assert found == [
        "special 10", "special 20", "special 30", "special 40", "driver 30", "driver 40", "xdr 40",
    ]  # fmt: skip


def test_the_first_pattern_counts(tmp_path: Path) -> None:
    assert logged(tmp_path, 4, "4:daemon.s*l 2:+daemon 2:q?mu") == [
        "special 40", "driver 20", "driver 30", "driver 40", "xdr 40",
    ]  # fmt: skip


def test_verbose_is_information_at_least(tmp_path: Path) -> None:
    assert "xdr 20" in logged(tmp_path, 3, "", verbose=True)


def test_a_line_is_of_libvirts_form(tmp_path: Path) -> None:
    logged(tmp_path, 3, "")
    first = (tmp_path / "log").read_text().splitlines()[0]
    pattern = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000: \d+: warning : [\w.]+:\d+ : special 30"
    assert re.fullmatch(pattern, first)


@pytest.mark.parametrize(
    "entry", ["9:stderr", "1:nowhere", "1:file:relative", "1:file", "1:stderr:x", "1:syslog", "1"]
)
def test_wrong_outputs_are_refused(entry: str) -> None:
    with pytest.raises(ConfSyntax, match=f"log_outputs: '{entry}' is not"):
        logs.check(Logging(3, "", entry))


@pytest.mark.parametrize("entry", ["9:qemu", "qemu", "1:", "1:+"])
def test_wrong_filters_are_refused(entry: str) -> None:
    with pytest.raises(ConfSyntax, match="log_filters"):
        logs.check(Logging(3, entry, ""))


def test_variables_come_before_the_file() -> None:
    wanted = Logging(3, "1:qemu", "1:stderr")
    assert wanted.overridden({}) == wanted
    environment = {
        "LIBVIRT_DEBUG": "debug",
        "LIBVIRT_LOG_FILTERS": "2:rpc",
        "LIBVIRT_LOG_OUTPUTS": "1:file:/x",
    }
    assert wanted.overridden(environment) == (1, "2:rpc", "1:file:/x")
    assert wanted.overridden({"LIBVIRT_DEBUG": "nonsense"}).level == 3


def test_the_journal_gets_fields(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        journal.settimeout(5)
        handler = JournalHandler("virtqemud", path)
        record = logging.LogRecord("virloom.x", logging.WARNING, "f.py", 7, "one\ntwo", (), None)
        handler.handle(record)
        handler.close()
        entry = journal.recv(4096)
    assert b"MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\n" in entry
    assert b"PRIORITY=4\nSYSLOG_IDENTIFIER=virtqemud\nLIBVIRT_SOURCE=virloom.x\n" in entry
    assert encode({"A": "b"}) == b"A=b\n"
