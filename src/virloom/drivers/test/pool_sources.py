# SPDX-License-Identifier: Apache-2.0
"""What pools could be made of on the host that the test driver pretends to be."""

from __future__ import annotations

from virloom.drivers.storage.kinds import KINDS
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, NoSupport, XmlDetail
from virloom.model.storage.pool import PoolSource
from virloom.xml import parse_document
from virloom.xml.escape import escape

_GROUPS = (("/dev/sda20", "testvg1"), ("/dev/sda21", "testvg2"))


class _Specification(PoolSource):
    """``<source>`` as a document of its own."""

    tag = "source"
    error_domain = ErrorDomain.STORAGE


def find_sources(kind: str, specification: str | None) -> str:
    """The document of what there is.

    Raises:
        NoSupport: Sources of such pools cannot be looked for.
        InternalError: Such pools need none.
        InvalidArg: It is not said where to look.
    """
    if specification is not None:
        try:
            asked = parse_document(_Specification, specification)
        except XmlDetail as exc:
            exc.domain = ErrorDomain.STORAGE
            raise
    else:
        asked = _Specification()
    if kind == "logical":
        return _document([_group(*group) for group in _GROUPS])
    if kind == "netfs":
        host = asked.hosts[0].name if asked.hosts else None
        if not host:
            raise InvalidArg(
                "hostname must be specified for netfs sources", domain=ErrorDomain.TEST
            )
        return _document([_share(host)])
    if kind in KINDS and not KINDS[kind].needs:
        raise InternalError(f"unknown storage pool type {kind}", domain=ErrorDomain.TEST)
    raise NoSupport(
        f"pool type '{kind}' does not support source discovery", domain=ErrorDomain.TEST
    )


def _document(sources: list[str]) -> str:
    return f"<sources>\n{''.join(sources)}</sources>\n"


def _group(device: str, name: str) -> str:
    return (
        f"  <source>\n    <device path='{device}'/>\n    <name>{name}</name>\n"
        "    <format type='lvm2'/>\n  </source>\n"
    )


def _share(host: str) -> str:
    return (
        f"  <source>\n    <host name='{escape(host)}'/>\n    <dir path='/testshare'/>\n"
        "    <format type='nfs'/>\n  </source>\n"
    )
