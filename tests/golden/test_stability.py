# SPDX-License-Identifier: Apache-2.0
"""Which changes of a document libvirt 9 took when a guest was restored with it, and ours.

``stability/changes.json`` was recorded by restores of one saved guest (``stability/guest.xml``); an
error of another part than the check (no such emulator, QEMU ends) is not among them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from virloom.drivers.qemu.stability import check_stable
from virloom.errors import ConfigUnsupported, VirloomError
from virloom.model.domain import Domain
from virloom.xml import parse_document

HERE = Path(__file__).parent
GUEST = (HERE / "stability" / "guest.xml").read_text()
CHANGES = json.loads((HERE / "stability" / "changes.json").read_text())
DOCUMENTS = sorted((HERE / "define").glob("*.out.xml"))


def verdict(source: str, target: str) -> tuple[int, int]:
    try:
        check_stable(parse_document(Domain, source), parse_document(Domain, target))
    except VirloomError as error:
        return int(error.code), int(error.domain)
    return 0, 0


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change["new"][:40] or "nothing")
def test_a_change_is_taken_or_refused_as_by_libvirt(change: dict[str, Any]) -> None:
    target = GUEST.replace(change["old"], change["new"], 1)
    assert target != GUEST
    assert verdict(GUEST, target) == (change["code"], change["domain"])


def test_a_document_is_stable_against_itself() -> None:
    assert len(DOCUMENTS) > 200
    for path in DOCUMENTS:
        text = path.read_text()
        try:
            parse_document(Domain, text)
        except VirloomError:
            continue
        assert verdict(text, text) == (0, 0), path


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("<video>", "<video><model type='none'/></video><video>", "devices/video"),
        ("<memballoon ", "<panic model='isa'/><memballoon ", r"devices/panic\[1\]"),
        ("port='0x10'", "port='0x12'", "controller"),
    ],
)
def test_the_error_names_the_place(old: str, new: str, path: str) -> None:
    target = GUEST.replace(old, new, 1)
    assert target != GUEST
    with pytest.raises(ConfigUnsupported, match=path):
        check_stable(parse_document(Domain, GUEST), parse_document(Domain, target))
