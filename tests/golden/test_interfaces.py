# SPDX-License-Identifier: Apache-2.0
"""The files that configure a host's interfaces, for each of the programs that read such files.

``VIRLOOM_UPDATE_GOLDEN=1`` writes them anew. What these make of ours is tested with them
(``tests/interop/test_interface_changes.py`` and ``test_netplan.py``).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.drivers.interface.documents import BOND, EVERYTHING, VLAN, model
from virloom.drivers.interface.configurators.configurator import Configurator
from virloom.drivers.interface.configurators.ifupdown import Ifupdown
from virloom.drivers.interface.configurators.netplan import Netplan
from virloom.drivers.interface.configurators.networkmanager import NetworkManager
from virloom.drivers.interface.documents import document_in
from virloom.xml import format_document

CASES = Path(__file__).parent / "interfaces"
NOWHERE = Path("/nowhere")


@pytest.mark.parametrize(
    "configurator", [Ifupdown(NOWHERE), Netplan(NOWHERE), NetworkManager(NOWHERE)],
    ids=lambda one: one.title,
)  # fmt: skip
def test_the_same_files(configurator: Configurator) -> None:
    made: dict[str, str] = {}
    for document in (EVERYTHING, BOND, VLAN):
        files = configurator.files(model(document))
        read = document_in(next(iter(files.values())))
        assert read is not None
        assert format_document(read) == format_document(model(document))
        assert all(configurator.is_ours(name) for name in files)
        made |= files
    directory = CASES / configurator.title.lower()
    if os.environ.get("VIRLOOM_UPDATE_GOLDEN"):
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (directory / name).write_text(text)
    assert made == {path.name: path.read_text() for path in directory.iterdir()}
