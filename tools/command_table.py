# SPDX-License-Identifier: Apache-2.0
"""The Sphinx directive ``command-table``: each of virsh's commands, and how ours compares.

What was compared is counted, not claimed: the lines that ``tests/interop/test_cli_*.py`` run by
both programs. What differs is in :data:`DIFFERS`, by hand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from docutils import nodes
from docutils.parsers.rst import Directive

from tools.support_table import reread_each_time, table
from tools.tracked import ROOT
from virloom.cli.shell.guide import summary
from virloom.cli.shell.table import COMMANDS

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TESTS = ROOT / "tests" / "interop"

_NO_REPORT = "a change that cannot be saved, without a terminal, is a failure and says why"

#: Command → in what ours differs, and why.
DIFFERS = {
    "attach-disk": "what goes into XML is escaped everywhere",
    "attach-interface": "what goes into XML is escaped everywhere",
    "connect": "what is wrong with a URI is said in our client's words",
    "edit": _NO_REPORT,
    "exit": "leaves with 0, as virsh; what follows it in a line is not run",
    "help": "the same options, in our own words",
    "iface-edit": _NO_REPORT,
    "lxc-enter-namespace": "neither the container's control group nor its label is entered",
    "migrate": "what is wrong with the destination is said in our client's words",
    "net-edit": _NO_REPORT,
    "nwfilter-binding-dumpxml": "--xpath is obeyed",
    "nwfilter-edit": _NO_REPORT,
    "pool-edit": _NO_REPORT,
    "qemu-monitor-command": "what is wrong with JSON is said in our parser's words",
    "send-key": "keys of the codesets win32 and os_x are given by numbers only",
    "snapshot-create": "--redefine with --halt is not tried again without --halt",
    "snapshot-create-as": "an empty --diskspec is a disk without a name, not broken XML",
    "version": "the library is ours",
    "vol-upload": "a file that has no data is empty, not an error",
}


def lines_compared(texts: Iterable[str]) -> Counter[str]:
    """Command → in how many places of *texts* it is called."""
    found: Counter[str] = Counter()
    for text in texts:
        for name in re.findall(
            r"(?:^|[;\"(]) ?([a-z][a-z0-9-]+)(?=[ ;\"\\]|$)", text, re.MULTILINE
        ):
            found[name] += name in COMMANDS
    return found


def rows() -> list[list[str]]:
    """The table: command, what it does, how it compares."""
    files = [*(TESTS / "lines").glob("*.txt"), *TESTS.glob("test_cli_*.py")]
    compared = lines_compared(file.read_text() for file in sorted(files))
    return [[name, summary(name), _verdict(name, compared[name])] for name in COMMANDS]


def _verdict(name: str, compared: int) -> str:
    differs = DIFFERS.get(name)
    counted = f"{compared} calls compared" if compared else "not compared"
    if differs is not None:
        return f"differs: {differs} ({counted})"
    return f"same ({counted})" if compared else counted


class CommandTable(Directive):  # type: ignore[misc] # docutils has no types
    """``.. command-table::``"""

    def run(self) -> list[nodes.Node]:
        """The table."""
        reread_each_time(self)
        return [table([["Command", "What it does", "Beside virsh 9.0.0"], *rows()])]


def setup(app: Sphinx) -> dict[str, bool]:
    """Adds the directive."""
    app.add_directive("command-table", CommandTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
