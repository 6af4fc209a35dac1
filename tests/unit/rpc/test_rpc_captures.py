# SPDX-License-Identifier: Apache-2.0
"""The codecs against what libvirtd 9 and virsh sent (``data/protocol/captures.json``)."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from virloom.errors import error_from_code
from virloom.procedures import find
from virloom.procedures.connect import NODE_GET_INFO
from virloom.procedures.numbers import PROCEDURES
from virloom.rpc.errors import decode_error, encode_error
from virloom.rpc.xdr import codec_for

CAPTURES = json.loads(
    (Path(__file__).parents[3] / "data/protocol/captures.json").read_text(encoding="utf-8")
)
PROGRAMS = {"remote": 0x20008086, "qemu": 0x20008087, "admin": 0x6900690, "lxc": 0x68000}


def _messages() -> Iterator[tuple[str, dict[str, Any]]]:
    for run in CAPTURES["virsh"] + CAPTURES["python"]:
        for message in run["messages"]:
            if "payload_hex" in message and message["program"] in PROGRAMS:
                yield run["label"], message


def _number(program: int, name: str) -> int:
    for number, (area, constant) in PROCEDURES[program].items():
        module = importlib.import_module(f"virloom.procedures.{area}")
        if name in (constant, getattr(module, constant).name):
            return number
    raise AssertionError(f"no procedure {name}")


def test_captured_payloads_byte_for_byte() -> None:
    compared = 0
    for label, message in _messages():
        if message["type"] not in ("CALL", "REPLY", "EVENT") or message["status"] != "OK":
            continue
        program = PROGRAMS[message["program"]]
        procedure = find(program, _number(program, message["procedure"]))
        assert procedure is not None
        codec = codec_for(procedure.ret if message["type"] == "REPLY" else procedure.args)
        payload = bytes.fromhex(message["payload_hex"])
        assert codec.encode(codec.decode(payload)) == payload, (label, message)
        compared += 1
    assert compared > 200


def test_captured_node_info() -> None:
    payload = bytes.fromhex(CAPTURES["server_probes"]["node_get_info_hex"])
    codec = codec_for(NODE_GET_INFO.ret)
    info = codec.decode(payload)
    assert info.model == b"x86_64".ljust(32, b"\0")
    assert (info.cpus, info.nodes, info.sockets, info.cores, info.threads) == (2, 1, 1, 2, 1)
    assert codec.encode(info) == payload


ERRORS = {
    name: probe["error"]
    for name, probe in CAPTURES["server_probes"].items()
    if isinstance(probe, dict) and "error" in probe
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_libvirtd(name: str) -> None:
    """An error of ours with the code and detail has libvirtd's message, parts and length."""
    seen = ERRORS[name]
    detail = seen["str2"] or ""
    error = error_from_code(seen["code"])(detail, domain=seen["domain"])
    payload = encode_error(error)
    assert error.message == seen["message"]
    if "�" not in seen["message"]:
        assert len(payload) == CAPTURES["server_probes"][name]["payload_len"]
    back = decode_error(payload)
    assert type(back) is type(error)
    assert (back.message, back.detail, back.domain) == (error.message, detail, seen["domain"])
