# SPDX-License-Identifier: Apache-2.0
"""Records which calls libvirtd 9.0.0 serves on its read-only socket.

``.venv/bin/python tools/readonly_table.py [SOCKET]`` (as root) asks a libvirtd for every call of
the remote and the QEMU program, each on a connection of its own, and writes
``data/protocol/readonly.json``. Without SOCKET it starts a private libvirtd.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from virloom.errors import VirloomError  # noqa: E402 - needs the path above
from virloom.procedures import connect, find  # noqa: E402
from virloom.procedures.record import (  # noqa: E402
    VOID,
    Procedure,
    Record,
    TypedParamValue,
    Void,
)  # fmt: skip
from virloom.rpc.connection import ClientConnection  # noqa: E402
from virloom.rpc.messages import Reply  # noqa: E402

TABLES = ROOT / "data" / "protocol"
URI = "qemu:///system"
#: Calls that are refused for want of a descriptor before anything else.
_WITH_FDS = ("DOMAIN_OPEN_GRAPHICS", "DOMAIN_FD_ASSOCIATE")
#: ``VIR_ERR_OPERATION_DENIED``
DENIED = 29
_SECONDS = 120
#: Numbers of arguments that change what a call is: no flags, and the harmless source.
_ZERO = ("flags", "source")

#: Calls newer than 9.0.0, which it cannot be asked for, that are mere looks as their elder
#: siblings are: DOMAIN_GET_METADATA and DOMAIN_GET_AUTOSTART. All other newer ones are denied.
NEWER = frozenset({"NETWORK_GET_METADATA", "DOMAIN_GET_AUTOSTART_ONCE"})

_NOTE = (
    "Calls that a read-only connection may make. Deny by default: what is not named is refused. "
    "Recorded by tools/readonly_table.py: each call was made on the read-only socket of a libvirtd "
    "9.0.0, and is allowed where it was not answered with code 29, 'read only access prevents'; "
    "then once more with each single flag, and those that are answered with code 29 stand in "
    "denied_flags. None of this can be derived from the ACL annotations (CONNECT_SET_IDENTITY is "
    "allowed, CONNECT_GET_DOMAIN_CAPABILITIES is not). DOMAIN_INTERFACE_ADDRESSES is allowed, but "
    "not from the guest agent. Calls newer than 9.0.0 are denied but for NETWORK_GET_METADATA and "
    "DOMAIN_GET_AUTOSTART_ONCE, mere looks like their elder siblings."
)


class Answer(NamedTuple):
    """What a call was answered: code 0 where it succeeded."""

    code: int
    message: str

    @property
    def denied(self) -> bool:
        """Whether a read-only connection is the reason."""
        return self.code == DENIED


def procedures() -> Iterator[tuple[Procedure[Any, Any], bool]]:
    """Every call of the two programs, and whether 9.0.0 has it."""
    for program in ("remote", "qemu"):
        table = json.loads((TABLES / f"{program}.json").read_text())
        for entry in table["procedures"]:
            if entry["kind"] == "call":
                found = find(table["program"]["number"], entry["number"])
                assert found is not None
                yield found, bool(entry["in_9_0_0"])


def sample(kind: Any, name: str = "") -> Any:
    """A value of a wire type that can be sent."""
    if isinstance(kind, type):
        return filled(kind)
    if isinstance(kind, tuple):
        form = kind[0]
        if form == "optional":
            return sample(kind[1], name)
        if form == "list":
            return [sample(kind[1], name)]
        if form == "array":
            return [sample(kind[1], name)] * kind[2]
        if form in ("fixed", "fixed-chars"):
            return b"\1" * kind[1]
        return "<x/>" if form == "string" else b"\1"
    return 0 if name in _ZERO else 1


def filled(record: type[Record]) -> Any:
    """A record with a small value in every field, so that no check of emptiness comes first."""
    if record is Void:
        return VOID
    if record is TypedParamValue:
        return TypedParamValue(4, 7)
    return record(**{name: sample(kind, name) for name, kind in record.WIRE})


class Peer:
    """A connection to a daemon, on which one call is made at a time."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_SECONDS)
        self._socket.connect(path)
        self._connection = ClientConnection(find)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def ask(self, procedure: Procedure[Any, Any], args: Record) -> Answer:
        """The answer to one call; those that need a descriptor get one end of a socket pair."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            fds = [theirs.fileno()] if procedure.name in _WITH_FDS else []
            serial, data = self._connection.call(procedure, args, fds)
            self._socket.sendall(data)
            for fd in fds:
                socket.send_fds(self._socket, [b"\0"], [fd])
            return self._answer(procedure, serial)

    def _answer(self, procedure: Procedure[Any, Any], serial: int) -> Answer:
        while data := self._socket.recv(1 << 16):
            for message in self._connection.receive(data):
                if isinstance(message, Reply) and message.serial == serial:
                    error = message.result
                    if isinstance(error, VirloomError):
                        return Answer(error.code, error.message)
                    return Answer(0, "")
        raise ConnectionError(f"{procedure.name}: the daemon closed the connection")

    def open(self) -> None:
        """Authenticates and opens the driver."""
        self.ask(connect.AUTH_LIST, VOID)
        answer = self.ask(connect.CONNECT_OPEN, connect.ConnectOpenArgs(URI, 0))
        assert not answer.code, answer.message


def answer_to(path: str, procedure: Procedure[Any, Any], flags: int = 0) -> Answer:
    """What the daemon at *path* answers to one call on a fresh connection."""
    args = filled(procedure.args)
    if flags:
        args.flags = flags
    with Peer(path) as peer:
        peer.open()
        return peer.ask(procedure, args)


def takes_flags(procedure: Procedure[Any, Any]) -> bool:
    """Whether its arguments have flags."""
    return ("flags", "uint") in procedure.args.WIRE


class Column(NamedTuple):
    """What a daemon allows on its read-only socket."""

    answers: dict[str, Answer]
    denied_flags: dict[str, int]

    @property
    def allowed(self) -> set[str]:
        """Names of the calls that were not denied."""
        return {name for name, answer in self.answers.items() if not answer.denied}


def column(path: str) -> Column:
    """Asks the daemon whose read-only socket is at *path* for every call that 9.0.0 has."""
    known = [procedure for procedure, is_known in procedures() if is_known]
    answers = {procedure.name: answer_to(path, procedure) for procedure in known}
    denied_flags = {}
    for procedure in known:
        if takes_flags(procedure) and not answers[procedure.name].denied:
            bits = [1 << n for n in range(32) if answer_to(path, procedure, 1 << n).denied]
            if bits:
                denied_flags[procedure.name] = sum(bits)
    return Column(answers, denied_flags)


def document(found: Column) -> dict[str, Any]:
    """The table, from a column."""
    return {
        "note": _NOTE,
        "allowed": sorted(found.allowed | NEWER),
        "denied_flags": dict(sorted(found.denied_flags.items())),
    }


def _recorded(arguments: list[str]) -> Column:
    if arguments:
        return column(arguments[0])
    from tests.interop.reference import Libvirtd

    with tempfile.TemporaryDirectory(prefix="lv-") as name:
        daemon = Libvirtd(Path(name))
        try:
            daemon.await_socket()
            return column(str(daemon.directory / "libvirt-sock-ro"))
        finally:
            daemon.end()


def main() -> int:
    """Entry point."""
    found = _recorded(sys.argv[1:])
    text = json.dumps(document(found), indent=1, ensure_ascii=False) + "\n"
    (TABLES / "readonly.json").write_text(text)
    asked, allowed = len(found.answers), len(found.allowed)
    print(f"{asked} calls: {allowed} allowed, {asked - allowed} denied")
    return 0


if __name__ == "__main__":
    sys.exit(main())
