# SPDX-License-Identifier: Apache-2.0
"""One line of what was found out about a host."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        area: The heading it stands under.
        name: What was looked for.
        found: Whether it is there and works.
        detail: What was found, or what it is for.
        remedy: What to do when it is not there; empty where nothing can or need be done.
        required: Whether no guest can run without it.
    """

    area: str
    name: str
    found: bool
    detail: str
    remedy: str = ""
    required: bool = False
