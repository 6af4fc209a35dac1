# SPDX-License-Identifier: Apache-2.0
"""What validation says of the source of each kind of pools, beside libvirt's schema."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from virloom.drivers.storage.kinds import KINDS
from virloom.drivers.storage.pools import parse_pool
from virloom.errors import XmlInvalidSchema

SCHEMA = Path("/usr/share/libvirt/schemas/storagepool.rng")
PARTS = {
    "host": "<host name='h'/>", "device": "<device path='/dev/x'/>", "dir": "<dir path='/x'/>",
    "adapter": "<adapter type='scsi_host' name='host1'/>", "name": "<name>n</name>",
    "initiator": "<initiator><iqn name='iqn.2013-06.com.example:t'/></initiator>",
    "format": "<format type='raw'/>",
}  # fmt: skip

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(
        shutil.which("xmllint") is None or not SCHEMA.exists(),
        reason="xmllint or libvirt's schemas are not installed",
    ),
]


def in_schema(text: str, directory: Path) -> bool:
    file = directory / "pool.xml"
    file.write_text(text)
    words = ["xmllint", "--noout", "--relaxng", str(SCHEMA), str(file)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def taken(text: str) -> bool:
    try:
        parse_pool(text, validate=True)
    except XmlInvalidSchema:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_source(kind: str, tmp_path: Path) -> None:
    known = KINDS[kind]
    said = "".join(PARTS[part] for part in known.needs)
    said += "<device path='iqn.2013-06.com.example:t'/>" if kind.startswith("iscsi") else ""
    said += f"<format type='{known.formats[0]}'/>" if known.formats else ""
    target = "<target><path>/t</path></target>" if known.local else ""

    def document(more: str, target: str = target) -> str:
        source = f"<source>{said}{more}</source>"
        return f"<pool type='{kind}'><name>p</name>{source}{target}</pool>"

    texts = [document("")]
    texts += [document(text) for text in PARTS.values() if text.partition(" ")[0] not in said]
    if not known.local:
        texts.append(document("", "<target><path>/t</path></target>"))
    answers = [in_schema(text, tmp_path) for text in texts]
    assert answers[0], "it is right but for what is added"
    assert [taken(text) for text in texts] == answers
