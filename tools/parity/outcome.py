# SPDX-License-Identifier: Apache-2.0
"""What one side made of one document."""

from __future__ import annotations

from typing import Any, NamedTuple


class Refusal(NamedTuple):
    """An error: libvirt's code and domain, and the message for whoever reads the report."""

    code: int
    domain: int
    message: str

    @property
    def verdict(self) -> tuple[int, int]:
        """What is compared."""
        return self.code, self.domain


#: The answer where libvirt's process ended over a document: there is nothing to compare with.
CRASHED = Refusal(-1, -1, "libvirt's process ended over this document")


class Outcome(NamedTuple):
    """A document's fate.

    Attributes:
        document: What ``dumpxml --inactive`` gives of it, secrets included, or why it was refused.
        native: Its command line, or why there is none; None for a refused document.
    """

    document: str | Refusal
    native: str | Refusal | None

    @property
    def accepted(self) -> bool:
        """Whether it was defined."""
        return isinstance(self.document, str)


def from_json(data: dict[str, Any]) -> Outcome:
    """Reads what :func:`to_json` or the script of libvirt's side wrote."""
    return Outcome(_part(data["document"]), _part(data["native"]) if data.get("native") else None)


def to_json(outcome: Outcome) -> dict[str, Any]:
    """As plain lists and strings."""
    return {"document": outcome.document, "native": outcome.native}


def _part(value: Any) -> str | Refusal:
    return value if isinstance(value, str) else Refusal(*value)
