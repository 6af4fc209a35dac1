# SPDX-License-Identifier: Apache-2.0
"""Remarks that have no line end of their own."""

from __future__ import annotations

from virloom.cli.shell.output import PlainOutput
from virloom.cli.shell.session import Session


def remark(session: Session, text: str) -> None:
    """Says something to a reader; the line is ended by what ends every command."""
    if not isinstance(session.output, PlainOutput):
        session.output.note(text.strip())
    elif not session.quiet:
        session.output.raw(text)
