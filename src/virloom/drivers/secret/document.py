# SPDX-License-Identifier: Apache-2.0
"""Documents of secrets, with libvirt 9's refusals."""

from __future__ import annotations

import re
from uuid import uuid4

from virloom.enums.error import ErrorDomain
from virloom.enums.secret import SecretUsageType
from virloom.errors import InternalError, XmlError
from virloom.model.secret import Secret, Usage
from virloom.xml import FormatFlags, format_document, parse_document

_FLAG = re.compile(r"secret/@(ephemeral|private): ")

#: Kind of use → the element that says what for, and libvirt's words for it.
_ELEMENTS = {
    "volume": ("volume", "volume usage specified, but volume path is missing"),
    "ceph": ("name", "Ceph usage specified, but name is missing"),
    "iscsi": ("target", "iSCSI usage specified, but target is missing"),
    "tls": ("name", "TLS usage specified, but name is missing"),
    "vtpm": ("name", "vTPM usage specified, but name is missing"),
}


def parse(text: str, *, validate: bool) -> Secret:
    """The secret that a client's document describes, complete: it has a UUID and both flags.

    Raises:
        XmlError: It is malformed, or no secret's.
        InternalError: It does not say what the secret is for (libvirt's code for it).
        VirloomError: Others for which libvirt has a code of its own.
    """
    try:
        model = parse_document(Secret, text, validate=validate)
    except XmlError as exc:
        if _FLAG.search(exc.message):
            exc.domain = ErrorDomain.SECRET  # as libvirt, which reads these two by itself
        raise
    model.uuid = model.uuid or str(uuid4())
    model.ephemeral = bool(model.ephemeral)
    model.private = bool(model.private)
    model.usage = _settled(model.usage)
    return model


def _settled(usage: Usage | None) -> Usage | None:
    if usage is None:
        return None
    if usage.type is None:
        raise XmlError("unknown secret usage type", domain=ErrorDomain.SECRET)
    if usage.type == "none":
        return None
    element, missing = _ELEMENTS[usage.type]
    value = getattr(usage, element)
    if not value:
        raise InternalError(missing, domain=ErrorDomain.SECRET)
    settled = Usage(type=usage.type)
    setattr(settled, element, value)
    return settled


def usage_of(model: Secret) -> tuple[int, str]:
    """libvirt's number of the kind of use, and what for; 0 and an empty text for none."""
    usage = model.usage
    if usage is None or usage.type is None:
        return int(SecretUsageType.NONE), ""
    element, _ = _ELEMENTS[usage.type]
    return int(SecretUsageType[usage.type.upper()]), getattr(usage, element)


def format_secret(model: Secret) -> str:
    """The document as libvirt shows it; it never holds the value."""
    return format_document(model, FormatFlags.INACTIVE)
