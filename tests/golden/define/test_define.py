# SPDX-License-Identifier: Apache-2.0
"""Documents and what libvirt 9 makes of them when they are defined.

The expected files come from libvirt itself: ``/usr/bin/python3 tools/golden_define.py``. Cases
named ``err-`` are refused by libvirt, with the code in ``NAME.err``; those named ``late-`` are
accepted, and refused or ended by QEMU at the start. ``NAME.again.xml`` is there where libvirt
changes its own document when that is defined again.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.capabilities.facts import from_json
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.directories import Directories
from virloom.errors import VirloomError
from virloom.model.domain import Domain
from virloom.xml import FormatFlags, format_document, parse_document

HERE = Path(__file__).parent
ROOT = Path("@ROOT@")
PERSISTENT = FormatFlags.INACTIVE | FormatFlags.SECURE
ACCEPTED = sorted(path.name.removesuffix(".out.xml") for path in HERE.glob("*.out.xml"))
REFUSED = sorted(path.stem for path in HERE.glob("*.err") if not path.name.endswith(".again.err"))


@pytest.fixture(scope="module")
def caps() -> BinaryCaps:
    """What QEMU 7.2 of Debian 12 said."""
    return from_json(json.loads((HERE.parent / "caps" / "qemu-7.2.json").read_text()))


def prepared(caps: BinaryCaps, text: str) -> str:
    dom = parse_document(Domain, text)
    prepare_definition(dom, caps, directories=Directories.embedded(ROOT))
    return format_document(dom, PERSISTENT)


@pytest.mark.parametrize("name", ACCEPTED)
def test_definition_is_libvirts(caps: BinaryCaps, name: str) -> None:
    expected = (HERE / f"{name}.out.xml").read_text()
    assert prepared(caps, (HERE / f"{name}.in.xml").read_text()) == expected


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_definition_that_is_defined_again(caps: BinaryCaps, name: str) -> None:
    """It stays as it is, but for where libvirt 9 itself puts things in another order."""
    text = (HERE / f"{name}.out.xml").read_text()
    again, refused = HERE / f"{name}.again.xml", HERE / f"{name}.again.err"
    if refused.exists():
        with pytest.raises(VirloomError) as caught:
            prepared(caps, text)
        assert caught.value.code == int(refused.read_text())
        return
    assert prepared(caps, text) == (again.read_text() if again.exists() else text)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_libvirts_code(caps: BinaryCaps, name: str) -> None:
    code = int((HERE / f"{name}.err").read_text())
    with pytest.raises(VirloomError) as caught:
        prepared(caps, (HERE / f"{name}.in.xml").read_text())
    assert caught.value.code == code, caught.value.message
    assert caught.value.detail


def test_every_case_has_an_outcome() -> None:
    cases = {path.name.removesuffix(".in.xml") for path in HERE.glob("*.in.xml")}
    assert cases == {*ACCEPTED, *REFUSED}
    assert len(cases) > 300
