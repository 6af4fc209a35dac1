# SPDX-License-Identifier: Apache-2.0
"""Documents other than domains, as libvirt 9 gives them: read, written, and the same again.

Those with the word "everything", "passthrough", "luks", "bridge", "bond" or "vlan" are our own, by
the schema, for what the recording host could not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from virloom.errors import VirloomError
from virloom.model.capabilities import Capabilities, DomainCapabilities
from virloom.model.cpu import HostCpu
from virloom.model.interface import HostInterface
from virloom.model.network import Network, NetworkPort
from virloom.model.nodedev import NodeDevice
from virloom.model.nwfilter import Filter, FilterBinding, FilterRule
from virloom.model.schema_paths import PATHS
from virloom.model.secret import Secret
from virloom.model.snapshot import Backup, Checkpoint
from virloom.model.storage import Pool, PoolCapabilities, Volume
from virloom.xml import format_document, parse_document, parse_node
from virloom.xml.element import Element
from virloom.xml.node import Node

DOCUMENTS = Path(__file__).parent / "documents"
CLASSES: dict[str, type[Element]] = {
    cls.tag: cls
    for cls in (
        Network,
        NetworkPort,
        Pool,
        PoolCapabilities,
        Volume,
        Secret,
        HostInterface,
        Filter,
        FilterBinding,
        NodeDevice,
        Capabilities,
        DomainCapabilities,
        HostCpu,
        Backup,
        Checkpoint,
    )
}
CASES = sorted(DOCUMENTS.glob("*.xml"))


def root_of(path: Path) -> str:
    return parse_node(path.read_text()).tag


def plain(text: str) -> str:
    """Without what says nothing: blank lines, and elements that hold nothing in two tags."""
    lines = [line for line in text.splitlines() if line.strip()]
    kept: list[str] = []
    for line in lines:
        before = kept[-1].strip() if kept else ""
        opens = re.fullmatch(r"<([\w:]+)(?: [^>]*[^/])?>", before)
        if opens and line.strip() == f"</{opens[1]}>":
            kept[-1] = f"{kept[-1][:-1]}/>"
        else:
            kept.append(line)
    return "\n".join(kept)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_document_comes_back_as_it_was(path: Path) -> None:
    text = path.read_text()
    document = parse_document(CLASSES[root_of(path)], text, validate=True)
    assert plain(format_document(document)) == plain(text)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_copy_is_another_document(path: Path) -> None:
    document = parse_document(CLASSES[root_of(path)], path.read_text())
    assert format_document(document.copy()) == format_document(document)


def _paths(node: Node, above: str) -> Iterator[str]:
    path = f"{above}/{node.tag}" if above else node.tag
    yield path
    yield from (f"{path}/@{name}" for name in node.attributes)
    for element in node.elements():
        yield from _paths(element, path)


#: Elements whose content belongs to others, or stands in a name space.
_OTHERS = (
    "network/metadata",
    "network/options",
    "pool/config_opts",
    "pool/mount_opts",
    "pool/source/format/",  # in the schema, and read by nobody
)


def test_the_cases_touch_every_path_of_their_schemas() -> None:
    touched: set[str] = set()
    for path in CASES:
        touched.update(_paths(parse_node(path.read_text()), ""))
    missing = [
        wanted
        for root in CLASSES
        for element, names in PATHS[root].items()
        for wanted in (element, *(f"{element}/@{name}" for name in names.split()))
        if not element.startswith(_OTHERS) and wanted not in touched
    ]
    assert not missing, missing


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (Network, "<network><forward/></network>"),
        (Network, "<network><name>n</name><forward mode='nosuch'/></network>"),
        (Network, "<pool type='dir'/>"),
        (Pool, "<pool type='nosuch'/>"),
        (Pool, "<pool type='dir'><uuid>1</uuid></pool>"),
        (Volume, "<volume><capacity>many</capacity></volume>"),
        (Secret, "<secret ephemeral='perhaps'/>"),
        (Secret, "<secret><usage type='nosuch'/></secret>"),
        (HostInterface, "<interface type='tunnel' name='x'/>"),
        (FilterBinding, "<filterbinding><owner><uuid>x</uuid></owner></filterbinding>"),
        (Filter, "<filter><rule action='sing' direction='in'/></filter>"),
        (Filter, "<filter><uuid>1</uuid></filter>"),
        (Filter, "<filter><rule><mac srcmacaddr='1:2'/></rule></filter>"),
        (Filter, "<filter priority='high'/>"),
        (Capabilities, "<capabilities><host><iommu support='some'/></host></capabilities>"),
        (DomainCapabilities, "<domainCapabilities><vcpu max='-1'/></domainCapabilities>"),
        (HostCpu, "<cpu mode='imaginary'/>"),
        (NetworkPort, "<networkport><plug type='wire'/></networkport>"),
        (Backup, "<domainbackup mode='fetch'/>"),
        (Backup, "<domainbackup mode='pull'><server transport='rdma'/></domainbackup>"),
        (Checkpoint, "<domaincheckpoint><creationTime>now</creationTime></domaincheckpoint>"),
    ],
)
def test_what_is_refused(cls: type[Element], text: str) -> None:
    with pytest.raises(VirloomError):
        parse_document(cls, text)


def test_what_the_schema_does_not_know_is_refused_on_demand() -> None:
    with pytest.raises(VirloomError, match="nosuch"):
        parse_document(Network, "<network><name>n</name><nosuch/></network>", validate=True)


def test_rules_and_references_keep_their_order() -> None:
    text = (
        "<filter name='f'><filterref filter='a'/><rule action='drop' direction='in'/>"
        "<filterref filter='b'/></filter>"
    )
    found = parse_document(Filter, text, validate=True)
    assert [entry.tag for entry in found.entries] == ["filterref", "rule", "filterref"]
    assert [reference.filter for reference in found.references] == ["a", "b"]
    assert [rule.action for rule in found.rules] == ["drop"]
    found.entries.append(FilterRule(action="accept", direction="out"))
    assert format_document(found).rstrip().splitlines()[-2] == (
        "  <rule action='accept' direction='out'/>"
    )
