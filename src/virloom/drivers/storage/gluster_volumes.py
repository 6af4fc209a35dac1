# SPDX-License-Identifier: Apache-2.0
"""The Gluster volumes that a server has, asked for by gluster(8)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from virloom.drivers.storage.host import StorageHost
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, SystemFailure

_DOMAIN = ErrorDomain.STORAGE
#: Seconds that a server may take to say what it has.
_PATIENCE = 120.0


async def volumes_of(host: StorageHost, server: str) -> list[str]:
    """The names of a server's volumes.

    Raises:
        InternalError: gluster(8) is not installed, does not reach it, or says nothing known.
        OperationTimeout: It does not answer.
    """
    words = ["gluster", "--xml", "--log-file=/dev/null", "volume", "info", "all"]
    try:
        text = await host.output([*words, f"--remote-host={server}"], timeout=_PATIENCE)
    except SystemFailure:
        raise InternalError("gluster is not installed", domain=_DOMAIN) from None
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as exc:
        raise InternalError(f"gluster's answer is not understood: {exc}", domain=_DOMAIN) from exc
    names = root.iterfind("./volInfo/volumes/volume/name")
    return [name.text for name in names if name.text]
