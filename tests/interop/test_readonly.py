# SPDX-License-Identifier: Apache-2.0
"""Our read-only socket against the column that libvirtd 9's gave (``readonly.json``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.interop.conftest import Virtqemud
from tools.readonly_table import Answer, Peer, filled, procedures, takes_flags

TABLE = json.loads(
    (Path(__file__).parents[2] / "data/protocol/readonly.json").read_text(encoding="utf-8")
)


def asked(path: str, procedure: Any, **changes: int) -> Answer:
    args = filled(procedure.args)
    for name, value in changes.items():
        setattr(args, name, value)
    with Peer(path) as peer:
        peer.open()
        return peer.ask(procedure, args)


def test_every_call_on_our_read_only_socket(virtqemud: Virtqemud) -> None:
    path = str(virtqemud.socket(readonly=True))
    answers = {procedure.name: asked(path, procedure) for procedure, _ in procedures()}
    assert {name for name, answer in answers.items() if not answer.denied} == set(TABLE["allowed"])
    refused = {answer.message for answer in answers.values() if answer.denied}
    assert all(": read only access prevents vir" in message for message in refused)
    assert len(refused) == len(answers) - len(TABLE["allowed"])
    with_flags = {
        procedure.name: sum(
            1 << bit for bit in range(5) if asked(path, procedure, flags=1 << bit).denied
        )
        for procedure, _ in procedures()
        if takes_flags(procedure) and procedure.name in TABLE["allowed"]
    }
    assert {name: bits for name, bits in with_flags.items() if bits} == TABLE["denied_flags"]


def test_secrets_are_not_shown(virtqemud: Virtqemud) -> None:
    path = str(virtqemud.socket(readonly=True))
    found = {procedure.name: procedure for procedure, _ in procedures()}
    secure = asked(path, found["DOMAIN_GET_XML_DESC"], flags=1)
    assert secure == Answer(29, "operation forbidden: virDomainGetXMLDesc with secure flag")
    agent = asked(path, found["DOMAIN_INTERFACE_ADDRESSES"], source=1)
    assert agent.message.endswith("read only access prevents virDomainInterfaceAddresses")
