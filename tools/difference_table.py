# SPDX-License-Identifier: Apache-2.0
"""The Sphinx directive ``session-differences``: what ``tests/interop`` found to differ, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import Directive

from tools.support_table import reread_each_time, table

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TABLE = Path(__file__).resolve().parent.parent / "data" / "interop" / "differences.json"


class SessionDifferences(Directive):
    """A row per reason, with the steps of the session that it explains."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        reread_each_time(self)
        steps: dict[str, list[str]] = {}
        for step, entry in json.loads(TABLE.read_text())[self.arguments[0]].items():
            steps.setdefault(entry["reason"], []).append(step)
        rows = [["what is different, and why", "steps"]]
        rows += [[reason, ", ".join(found)] for reason, found in steps.items()]
        return [table(rows)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("session-differences", SessionDifferences)
    return {"parallel_read_safe": True}
