# SPDX-License-Identifier: Apache-2.0
"""What a document asks for and the model does not know: a start must refuse it, not lose it."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.xml.element import Element
from virloom.xml.fields import Role


def unmodelled(element: Element) -> list[str]:
    """The paths of everything that is only kept word for word, in the document's order.

    ``domain/devices/tpm[1]``, ``domain/devices/disk[2]/source/@protocol``. A start that does
    not know them would give another guest than the document says.
    """
    return list(_below(element, element.schema_path or element.tag))


def _below(element: Element, path: str) -> Iterator[str]:
    values = element.__dict__
    for field in element._child_order:
        value = values.get(field.python)
        if not value:
            continue
        if field.role is Role.VERBATIM:
            yield from (f"{path}/{field.name}[{n}]" for n, _ in enumerate(value, 1))
        elif field.role is Role.CHILDREN:
            for number, item in enumerate(value, 1):
                yield from _below(item, f"{path}/{field.name}[{number}]")
        elif field.role is Role.MIXTURE:
            for number, item in enumerate(value, 1):
                yield from _below(item, f"{path}/{item.tag}[{number}]")
        elif field.role in (Role.CHILD, Role.GROUP):
            yield from _below(value, f"{path}/{field.name}")
    extra = values.get("_extra")
    if extra is not None:
        yield from (f"{path}/@{name}" for name in extra.attributes)
        yield from (f"{path}/{node.tag}" for node in extra.children)
