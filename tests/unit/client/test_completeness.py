# SPDX-License-Identifier: Apache-2.0
"""Every procedure of the remote, qemu and lxc programs has a method, or a reason to have none."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import virloom
from virloom.procedures import find
from virloom.procedures.numbers import PROCEDURES

PACKAGE = Path(virloom.__file__).parent

_BY_LIST_ALL = "the list-all call brings the objects themselves, in one call"
_WITH_FLAGS = "a later call does the same and has flags"
_OLD_EVENTS = "for clients without callback ids (libvirt before 1.3.3)"
_OLD_MIGRATION = "for hosts without migration parameters (libvirt before 1.1.0)"
_SASL = "the messages of a mechanism belong to an authentication by SASL"

#: Procedures that no method of the client calls, and why.
WITHOUT = {
    "DOMAIN_CREATE": _WITH_FLAGS,
    "DOMAIN_RESTORE": _WITH_FLAGS,
    **dict.fromkeys(
        (
            "CONNECT_LIST_DEFINED_INTERFACES",
            "CONNECT_LIST_DEFINED_NETWORKS",
            "CONNECT_LIST_DEFINED_STORAGE_POOLS",
            "CONNECT_LIST_INTERFACES",
            "CONNECT_LIST_NETWORKS",
            "CONNECT_LIST_NWFILTERS",
            "CONNECT_LIST_SECRETS",
            "CONNECT_LIST_STORAGE_POOLS",
            "CONNECT_NUM_OF_DEFINED_INTERFACES",
            "CONNECT_NUM_OF_DEFINED_NETWORKS",
            "CONNECT_NUM_OF_DEFINED_STORAGE_POOLS",
            "CONNECT_NUM_OF_INTERFACES",
            "CONNECT_NUM_OF_NETWORKS",
            "CONNECT_NUM_OF_NWFILTERS",
            "CONNECT_NUM_OF_SECRETS",
            "CONNECT_NUM_OF_STORAGE_POOLS",
            "DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES",
            "DOMAIN_SNAPSHOT_LIST_NAMES",
            "DOMAIN_SNAPSHOT_NUM",
            "DOMAIN_SNAPSHOT_NUM_CHILDREN",
            "NODE_LIST_DEVICES",
            "NODE_NUM_OF_DEVICES",
            "STORAGE_POOL_LIST_VOLUMES",
        ),
        _BY_LIST_ALL,
    ),
    "NODE_DEVICE_NUM_OF_CAPS": "NODE_DEVICE_LIST_CAPS brings them, however many",
    **dict.fromkeys(
        (
            "CONNECT_DOMAIN_EVENT_DEREGISTER",
            "CONNECT_DOMAIN_EVENT_DEREGISTER_ANY",
            "CONNECT_DOMAIN_EVENT_REGISTER",
            "CONNECT_DOMAIN_EVENT_REGISTER_ANY",
            "DOMAIN_EVENT_BALLOON_CHANGE",
            "DOMAIN_EVENT_BLOCK_JOB",
            "DOMAIN_EVENT_CONTROL_ERROR",
            "DOMAIN_EVENT_DEVICE_REMOVED",
            "DOMAIN_EVENT_DISK_CHANGE",
            "DOMAIN_EVENT_GRAPHICS",
            "DOMAIN_EVENT_IO_ERROR",
            "DOMAIN_EVENT_IO_ERROR_REASON",
            "DOMAIN_EVENT_LIFECYCLE",
            "DOMAIN_EVENT_PMSUSPEND",
            "DOMAIN_EVENT_PMSUSPEND_DISK",
            "DOMAIN_EVENT_PMWAKEUP",
            "DOMAIN_EVENT_REBOOT",
            "DOMAIN_EVENT_RTC_CHANGE",
            "DOMAIN_EVENT_TRAY_CHANGE",
            "DOMAIN_EVENT_WATCHDOG",
        ),
        _OLD_EVENTS,
    ),
    **dict.fromkeys(
        (
            "DOMAIN_MIGRATE_BEGIN3",
            "DOMAIN_MIGRATE_CONFIRM3",
            "DOMAIN_MIGRATE_FINISH",
            "DOMAIN_MIGRATE_FINISH2",
            "DOMAIN_MIGRATE_FINISH3",
            "DOMAIN_MIGRATE_PERFORM",
            "DOMAIN_MIGRATE_PERFORM3",
            "DOMAIN_MIGRATE_PREPARE",
            "DOMAIN_MIGRATE_PREPARE2",
            "DOMAIN_MIGRATE_PREPARE3",
            "DOMAIN_MIGRATE_PREPARE_TUNNEL",
            "DOMAIN_MIGRATE_PREPARE_TUNNEL3",
        ),
        _OLD_MIGRATION,
    ),
    **dict.fromkeys(("AUTH_SASL_START", "AUTH_SASL_STEP"), _SASL),
    "CONNECT_UNREGISTER_CLOSE_CALLBACK": "it is registered as long as the connection is open",
}

#: The name that the callback-id message of an event is known by: its class.
_BY_CLASS = {"CONNECT_EVENT_CONNECTION_CLOSED": "ConnectEventConnectionClosedMsg"}


def _names(path: Path) -> set[str]:
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }


@pytest.fixture(scope="module")
def used() -> set[str]:
    """Every attribute that the client, or the endpoint at the opening and the end, looks up."""
    files = [
        *(PACKAGE / "client").rglob("*.py"),
        PACKAGE / "endpoint/authentication.py",
        PACKAGE / "endpoint/remote.py",
    ]
    return set().union(*map(_names, files))


@pytest.mark.parametrize("program", sorted(PROCEDURES))
def test_every_procedure_is_called(program: int, used: set[str]) -> None:
    procedures = [find(program, number) for number in PROCEDURES[program]]
    ours = [one for one in procedures if one is not None and one.area in _AREAS]
    missing = {
        one.name for one in ours if one.name not in used and _BY_CLASS.get(one.name) not in used
    }
    assert missing == {one.name for one in ours} & WITHOUT.keys()


def test_every_exception_is_a_procedure() -> None:
    names = {
        one.name
        for program, numbers in PROCEDURES.items()
        for number in numbers
        if (one := find(program, number)) is not None
    }
    assert WITHOUT.keys() <= names


_AREAS = {
    "connect", "domain", "interface", "lxc", "network", "nodedev", "nwfilter", "qemu", "secret",
    "storage",
}  # fmt: skip
