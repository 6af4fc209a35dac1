# SPDX-License-Identifier: Apache-2.0
"""The synopsis and the options in each command's help, beside virsh's; the words are our own."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.interop.side_by_side import needs_virsh
from virloom.cli.shell import guide
from virloom.cli.shell.table import COMMANDS

pytestmark = needs_virsh

#: virsh's description of it goes over several lines, which look like options.
_BROKEN = {"numatune": "    or"}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """What virsh's help says of each command."""
    told = subprocess.run(
        ["virsh", "; ".join(f"help {name}" for name in COMMANDS)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = re.split(r"^  NAME\n", told.stdout, flags=re.MULTILINE)[1:]
    return {page.split()[0]: "  NAME\n" + page for page in found}


def test_virsh_has_a_page_for_each(pages: dict[str, str]) -> None:
    assert set(pages) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_forms_are_the_same(name: str, pages: dict[str, str]) -> None:
    ours = guide.page_of(name)
    assert ours is not None
    assert _forms(ours) == [line for line in _forms(pages[name]) if line != _BROKEN.get(name)]


def _forms(page: str) -> list[str]:
    """The synopsis and each option's form, without what describes it."""
    _, _, rest = page.partition("  SYNOPSIS\n")
    synopsis, _, rest = rest.partition("\n")
    _, _, options = rest.partition("  OPTIONS\n")
    lines = (re.match(r" {4}\S+(?: <\w+>)?", line) for line in options.splitlines())
    return [synopsis, *(found[0] for found in lines if found is not None)]
