# SPDX-License-Identifier: Apache-2.0
"""Specifications and documents of snapshots and checkpoints."""

from __future__ import annotations

import pytest

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.words.moments import facts_of, options_of, parts_of
from virloom.cli.words.snapshot_documents import snapshot_document


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("vda", ["vda"]),
        ("vda,file=/a,,b", ["vda", "file=/a,b"]),
        (",file=x", ["", "file=x"]),
        ("a,,,b", ["a,", "b"]),
    ],
)
def test_parts(text: str, parts: list[str]) -> None:
    assert parts_of(text) == parts


def test_options() -> None:
    known = ("file", "driver")
    assert options_of([], known) == {}
    assert options_of(["file=a=b", "driver="], known) == {"file": "a=b", "driver": ""}
    for wrong in (["other=a"], ["file"], ["file=a", "file=b"], [""]):
        assert options_of(wrong, known) is None


def test_facts() -> None:
    facts = facts_of(
        "<domainsnapshot><state>running</state><parent><name>a</name></parent>"
        "<memory snapshot='external' file='/m'/></domainsnapshot>"
    )
    assert facts == ("", "running", "a", True)
    assert facts_of("<domaincheckpoint/>") == ("", "", None, False)
    assert facts_of("<domainsnapshot><state>disk-snapshot</state></domainsnapshot>").is_external


def test_document() -> None:
    arguments = Arguments(
        {
            "name": "n<",
            "memspec": "/m,snapshot=external",
            "diskspec": ["vda,stype=block,driver=qcow2,file=/d", "vdb,snapshot=no"],
        }
    )
    assert snapshot_document(arguments) == (
        "<domainsnapshot>\n"
        "  <name>n&lt;</name>\n"
        "  <memory snapshot='external' file='/m'/>\n"
        "  <disks>\n"
        "    <disk name='vda' type='block'>\n"
        "      <driver type='qcow2'/>\n"
        "      <source dev='/d'/>\n"
        "    </disk>\n"
        "    <disk name='vdb' snapshot='no'/>\n"
        "  </disks>\n"
        "</domainsnapshot>\n"
    )


@pytest.mark.parametrize("spec", ["vda,zork", "vda,stype=network", "vda,"])
def test_wrong_disk(spec: str) -> None:
    with pytest.raises(CommandFailed):
        snapshot_document(Arguments({"diskspec": [spec]}))
