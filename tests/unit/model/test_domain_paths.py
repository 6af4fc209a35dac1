# SPDX-License-Identifier: Apache-2.0
"""Every path that libvirt's schema has is a field of the model, or is known to be none."""

from __future__ import annotations

import pytest

from tools.unrepresented import missing, represented
from virloom.model import DOCUMENTS
from virloom.model.domain import Domain
from virloom.model.domain.unmodelled import unmodelled
from virloom.model.schema import schema
from virloom.model.schema_paths import PATHS
from virloom.xml import format_document, parse_document

#: What belongs to others, and cards of the host on its USB, which no guest gets yet.
KEPT = {
    "domain": {
        "domain/metadata/*",
        "domain/namespace/shareipc",
        "domain/namespace/sharenet",
        "domain/namespace/shareuts",
        "domain/devices/interface/source/address/@device",
        "domain/devices/interface/source/product",
        "domain/devices/interface/source/vendor",
    },
    "domainsnapshot": {"domainsnapshot/cookie/*"},
    "network": {"network/metadata/*"},
}


@pytest.mark.parametrize("root", DOCUMENTS)
def test_no_path_is_left_out(root: str) -> None:
    assert len(represented(root)) > 5
    names = missing(root)
    assert {name for name in names if not schema(root).passes_over(name)} == KEPT.get(root, set())


def test_the_schema_is_the_whole_one() -> None:
    # The counts of data/protocol/rng-stats.json.
    assert len(PATHS["domain"]) == 795
    assert sum(len(names.split()) for names in PATHS["domain"].values()) == 1776


@pytest.mark.parametrize(
    "device",
    [
        "<serial type='null' tty='/dev/pts/7'/>",
        "<parallel type='null'><target port='0'><model name='x'/></target></parallel>",
        "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0' parent='x'>"
        "<parentaddr unique_id='1'/></adapter></source></hostdev>",
    ],
)
def test_what_libvirt_passes_over_is_left_out(device: str) -> None:
    text = f"<domain type='qemu'><name>g</name><devices>{device}</devices></domain>"
    found = parse_document(Domain, text, validate=True)
    assert unmodelled(found) == []
    written = format_document(found)
    assert not any(word in written for word in ("pts/7", "'x'", "parentaddr"))
