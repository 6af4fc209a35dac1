# SPDX-License-Identifier: Apache-2.0
"""Documents of pools and volumes made of options."""

from __future__ import annotations

import pytest

from virloom.cli.shell.arguments import Arguments
from virloom.cli.words.pool_documents import pool_document, source_document
from virloom.cli.words.volume import renamed

_POOL = {"name": "p", "type": "scsi"}


def _source(**options: str) -> str:
    """What is within ``<source>``, on one line."""
    given = {name.replace("_", "-"): value for name, value in options.items()}
    _, document = pool_document(Arguments({**_POOL, **given}))
    lines = [line.strip() for line in document.splitlines()]
    assert lines[:2] == ["<pool type='scsi'>", "<name>p</name>"]
    return "".join(lines[3:-2])


@pytest.mark.parametrize(
    ("options", "inner"),
    [
        ({}, ""),
        ({"source_protocol_ver": "3"}, ""),
        ({"auth_type": "ceph", "auth_username": "u", "secret_usage": "s"}, ""),
        ({"adapter_wwnn": "1"}, ""),
        ({"adapter_name": "a"}, "<adapter type='scsi_host' name='a'/>"),
        (
            {"adapter_name": "a", "adapter_wwnn": "1", "adapter_wwpn": "2"},
            "<adapter type='fc_host' wwnn='1' wwpn='2'/>",
        ),
        (
            {"adapter_wwnn": "1", "adapter_wwpn": "2", "adapter_parent_fabric_wwn": "3"},
            "<adapter type='fc_host' parent_fabric_wwn='3' wwnn='1' wwpn='2'/>",
        ),
        (
            {
                "source_name": "n",
                "source_protocol_ver": "3",
                "auth_type": "ceph",
                "auth_username": "u",
                "secret_uuid": "s",
            },
            "<auth type='ceph' username='u'><secret uuid='s'/></auth><name>n</name>"
            "<protocol ver='3'/>",
        ),
    ],
)
def test_source(options: dict[str, str], inner: str) -> None:
    assert _source(**options) == inner


def test_target() -> None:
    _, document = pool_document(Arguments({**_POOL, "target": "/t"}))
    assert document.endswith("  <target>\n    <path>/t</path>\n  </target>\n</pool>")


def test_sources_to_find() -> None:
    assert source_document(Arguments({"port": "1"})) is None
    found = source_document(Arguments({"host": "h", "port": "1", "initiator": "i"}))
    assert found is not None
    assert found.splitlines()[1:4] == [
        "  <host name='h' port='1'/>",
        "  <initiator>",
        "    <iqn name='i'/>",
    ]


def test_clone_has_another_name() -> None:
    document = "<volume type='file'>\n  <name>a</name>\n  <target>\n  </target>\n</volume>\n"
    assert renamed(document, "b&") == (
        '<volume type="file">\n  <name>b&amp;</name>\n  <target>\n  </target>\n</volume>'
    )
