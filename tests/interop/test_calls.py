# SPDX-License-Identifier: Apache-2.0
"""Every call that we serve, made by hand on libvirtd 9 and on our virtqemud.

For a domain that nobody knows, that is shut off, that runs; with flags that are known, unknown or
at odds; with numbers out of bounds. What is answered (results; code, domain and message of errors)
must be the same but for what ``data/interop/differences.json`` lists. Ours may add a remedy.
"""

from __future__ import annotations

import os
import re
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd
from tests.interop.test_same_sessions import UUID, Side, check
from tools.readonly_table import filled, procedures, takes_flags
from virloom.errors import VirloomError
from virloom.procedures import connect, find
from virloom.procedures import domain as p
from virloom.procedures.record import VOID, Procedure, Record
from virloom.procedures.types import NonnullDomain
from virloom.rpc.connection import ClientConnection
from virloom.rpc.messages import Reply

pytestmark = [
    *needs_libvirtd,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("VIRLOOM_CALLS"), reason="takes minutes; VIRLOOM_CALLS=1 runs it"
    ),
]

NO_SUPPORT = 3
SHUT_OFF, PAUSED = 5, 3
#: What the sessions compare as documents, and what belongs to another test.
_ELSEWHERE = re.compile(
    "CONNECT_(OPEN|CLOSE|SET_IDENTITY|GET_CAPABILITIES|GET_DOMAIN_CAPABILITIES)|.*MIGRATE.*"
    "|DOMAIN_GET_XML_DESC|DOMAIN_GET_VCPUS|DOMAIN_GET_INFO|AUTH_.*"
)
_FLAGS = (0, 1 << 31, 1, 2, 3)
#: Calls that leave everything as it is.
_LOOKS = re.compile(".*_(GET|IS|HAS|LIST|LOOKUP|NUM|XML)_.*")
_VARIES = re.compile(r"\b(id|callback_id|nanoseconds|kernel|user|idle|iowait|free)=\d+")


class Asked:
    """A daemon, asked call by call."""

    def __init__(self, side: Side, path: str) -> None:
        self.side = side
        self.document = (side.directory / "guest.xml").read_text()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(path)
        self._connection = ClientConnection(find)
        self._is_running: bool | None = None
        self.ask(connect.AUTH_LIST, VOID)
        self.ask(connect.CONNECT_OPEN, connect.ConnectOpenArgs("qemu:///system", 0))

    def close(self) -> None:
        self._socket.close()

    def ask(self, procedure: Procedure[Any, Any], args: Record) -> Any:
        """The result, or the error; events that come meanwhile are of no interest."""
        result = self._answer(procedure, args)
        if not isinstance(result, VirloomError) and not _LOOKS.fullmatch(procedure.name):
            self._is_running = None  # or whatever else has changed
        return result

    def _answer(self, procedure: Procedure[Any, Any], args: Record) -> Any:
        serial, data = self._connection.call(procedure, args)
        self._socket.sendall(data)
        while data := self._socket.recv(1 << 16):
            for message in self._connection.receive(data):
                if isinstance(message, Reply) and message.serial == serial:
                    return message.result
        raise ConnectionError(f"{procedure.name}: the daemon closed the connection")

    def bring(self, *, running: bool) -> NonnullDomain:
        """The domain in one state, defined as at first."""
        dom = NonnullDomain("one", uuid.UUID(UUID).bytes, -1)
        if self._is_running == running:
            return dom
        state = getattr(self.ask(p.DOMAIN_GET_STATE, p.DomainGetStateArgs(dom, 0)), "state", None)
        if not running and state not in (None, SHUT_OFF):
            self.ask(p.DOMAIN_DESTROY, p.DomainDestroyArgs(dom))
        defined = self.ask(p.DOMAIN_DEFINE_XML, p.DomainDefineXMLArgs(self.document))
        assert not isinstance(defined, VirloomError), defined
        if running and state == PAUSED:
            self.ask(p.DOMAIN_RESUME, p.DomainResumeArgs(dom))
        elif running and state in (None, SHUT_OFF):
            started = self.ask(p.DOMAIN_CREATE, p.DomainCreateArgs(dom))
            assert not isinstance(started, VirloomError), started
        self._is_running = running
        return dom

    def shown(self, result: Any) -> str:
        """An answer in a line, without what varies."""
        if isinstance(result, VirloomError):
            message = self.side.masked(result.message).partition("\n")[0]
            return f"error {result.code} of {int(result.domain)}: {message}"
        return self.side.masked(_VARIES.sub(r"\1=N", repr(result)))


class Comparison:
    """Both daemons, and what they answered so far."""

    def __init__(self, theirs: Asked, ours: Asked) -> None:
        self.theirs, self.ours = theirs, ours
        self.answers: dict[str, tuple[str, str]] = {}
        self.calls = 0

    def ask(self, procedure: Procedure[Any, Any], what: str, **fields: Any) -> bool:
        """Makes a call on both; False where ours does not serve it, which is no difference."""
        shown = []
        served = True
        for asked in (self.ours, self.theirs):
            args = filled(procedure.args)
            if "running" in fields:
                args.dom = asked.bring(running=fields["running"])
            for name in fields.keys() - {"running"}:
                setattr(args, name, fields[name])
            result = asked.ask(procedure, args)
            if asked is self.ours:
                served = not (isinstance(result, VirloomError) and result.code == NO_SUPPORT)
            if not served:
                return False
            shown.append(asked.shown(result))
        ours, theirs = shown
        self.calls += 1
        if ours.startswith((f"{theirs} (", f"{theirs}; ")):
            ours = theirs  # with a remedy
        before = self.answers.get(procedure.name, ("", ""))
        self.answers[procedure.name] = (
            f"{before[0]}{what}: {theirs}\n",
            f"{before[1]}{what}: {ours}\n",
        )
        return True


def arguments(procedure: Procedure[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a call without a domain is asked with."""
    flags = takes_flags(procedure)
    for value in _FLAGS if flags else ():
        yield f"flags {value:#x}", {"flags": value}
    for name, kind in procedure.args.WIRE:
        if name != "flags" and kind in ("int", "uint"):
            for value in (0, 2, 77777, *((-1, -2) if kind == "int" else ())):
                yield f"{name} {value}", {name: value}


def about_a_domain(comparison: Comparison, procedure: Procedure[Any, Any]) -> None:
    """A domain that nobody knows, then one that is shut off, then one that runs."""
    if not comparison.ask(procedure, "unknown domain"):
        return
    for running in (False, True):
        for flags in _FLAGS if takes_flags(procedure) else (None,):
            fields = {} if flags is None else {"flags": flags}
            where = "running" if running else "shut off"
            what = where if flags is None else f"{where}, flags {flags:#x}"
            comparison.ask(procedure, what, running=running, **fields)


def compare(comparison: Comparison) -> None:
    """All calls that 9.0.0 has."""
    for procedure, known in procedures():
        name = procedure.name
        if not known or _ELSEWHERE.fullmatch(name):
            continue
        if any(field == "dom" for field, _ in procedure.args.WIRE):
            about_a_domain(comparison, procedure)
        elif name.startswith(("CONNECT_", "NODE_", "DOMAIN_")) and comparison.ask(
            procedure, "as it is"
        ):
            for what, fields in arguments(procedure):
                comparison.ask(procedure, what, **fields)


def test_every_call_is_answered_as_by_libvirtd(libvirtd: Libvirtd, virtqemud: Any) -> None:
    sides = [
        Side(libvirtd.uri, libvirtd.readonly_uri, libvirtd.directory),
        Side(virtqemud.uri(), virtqemud.uri(readonly=True), virtqemud.root),
    ]
    for side in sides:
        side.prepare()
    theirs = Asked(sides[0], str(libvirtd.socket))
    ours = Asked(sides[1], str(virtqemud.socket()))
    comparison = Comparison(theirs, ours)
    try:
        compare(comparison)
        check("calls", comparison.answers)
        assert comparison.calls > 500
    finally:
        theirs.bring(running=False)
        theirs.close()
        ours.close()
