# SPDX-License-Identifier: Apache-2.0
"""Escaping as libvirt does it in texts and attribute values alike."""

from __future__ import annotations

import re

# XML 1.0 has no place for these control characters; libvirt leaves them out without a word.
_CONTROL = [*range(1, 9), 11, 12, *range(14, 32)]
_TABLE: dict[int, str | None] = {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("'"): "&apos;",
    ord('"'): "&quot;",
    **dict.fromkeys(_CONTROL),
}
_special = re.compile("[&<>'\"\x01-\x08\x0b\x0c\x0e-\x1f]").search


def escape(text: str) -> str:
    """The text with markup characters replaced and control characters left out."""
    return text.translate(_TABLE) if _special(text) else text
