# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a binding: completed and checked, with libvirt's codes."""

from __future__ import annotations

import os

from virloom.drivers.nwfilter.completion import complete_reference
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.nwfilter import FilterBinding
from virloom.model.nwfilter.reference import FilterParameter
from virloom.xml import parse_document
from virloom.xml.kinds import MAC

_DOMAIN = ErrorDomain.NWFILTER
#: ``IFNAMSIZ`` of linux/if.h without its terminating zero.
_LONGEST_LINK = 15


def parse_binding(text: str, *, validate: bool = False) -> FilterBinding:
    """The binding that a document describes, complete.

    Raises:
        XmlError: It is malformed, or no binding's.
        InternalError: Something that every binding has is missing, or cannot be what it says
            (libvirt's code for all of this).
    """
    model = parse_document(FilterBinding, text, validate=validate)
    _require(model.owner.name, "owner name")
    _require(model.owner.uuid, "owner UUID")
    _require(model.portdev.name, "port dev name")
    _require(model.mac.address, "MAC address")
    _require(model.filterref.filter, "filter reference")
    check_link_name(model.portdev.name or "")
    model.mac.address = _mac(model.mac.address or "")
    complete_reference(model.filterref)
    _give_address(model)
    return model


def _require(value: str | None, what: str) -> None:
    if not value:
        raise InternalError(f"filter binding has no {what}", domain=_DOMAIN)


def _mac(text: str) -> str:
    assert MAC.parse is not None
    try:
        return MAC.parse(text)
    except ValueError:
        raise InternalError(f"Unable to parse MAC '{text}'", domain=_DOMAIN) from None


def check_link_name(name: str) -> None:
    """Accepts what the kernel takes for a link, and programs do not take for an option.

    libvirt does not look, and makes a binding that protects nothing.

    Raises:
        InternalError: It is none.
    """
    plain = name.isprintable() and not any(char in '/:"\\' or char.isspace() for char in name)
    length = len(os.fsencode(name)) if plain else 0
    if not 0 < length <= _LONGEST_LINK or name in (".", "..") or name.startswith("-"):
        raise InternalError(
            f"'{name}' cannot be the name of a port dev: one has at most {_LONGEST_LINK} bytes,"
            " no blank, no slash, no colon and no quote, and does not begin with a dash",
            domain=_DOMAIN,
        )


def _give_address(model: FilterBinding) -> None:
    """The port's address is the variable MAC, where no other is given."""
    parameters = model.filterref.parameters
    if all(one.name != "MAC" for one in parameters):
        parameters.append(FilterParameter(name="MAC", value=model.mac.address))
        parameters.sort(key=lambda one: one.name or "")
