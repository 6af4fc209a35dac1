# SPDX-License-Identifier: Apache-2.0
"""JSON laid out as libvirt's clients have it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


class _Number(str):
    """A number with a fraction, as it stood there."""


def read(text: str) -> Any:
    """The value of a JSON text; ValueError where it is none."""
    return json.loads(text, parse_float=_Number)


def compact(value: Any) -> str:
    """The value without any spaces."""
    return _written(value, None)


def pretty(value: Any) -> str:
    """The value with a line for each part of it."""
    return _written(value, "")


def _written(value: Any, indent: str | None) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        colon = ":" if indent is None else ": "
        deeper = _deeper(indent)
        parts = (f"{_text(key)}{colon}{_written(part, deeper)}" for key, part in value.items())
        return _enclosed("{", parts, "}", indent)
    if isinstance(value, list):
        deeper = _deeper(indent)
        return _enclosed("[", (_written(part, deeper) for part in value), "]", indent)
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _deeper(indent: str | None) -> str | None:
    return None if indent is None else indent + "  "


def _enclosed(start: str, parts: Iterable[str], end: str, indent: str | None) -> str:
    if indent is None:
        return start + ",".join(parts) + end
    inner = ",\n".join(f"{indent}  {part}" for part in parts)
    return f"{start}\n{inner}\n{indent}{end}"
