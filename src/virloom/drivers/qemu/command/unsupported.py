# SPDX-License-Identifier: Apache-2.0
"""What the model knows and a command line cannot say yet.

Elements that the model keeps word for word are refused by the caller (``unmodelled``); these are
the modelled ones whose loss would give another guest than the document says.
"""

from __future__ import annotations

from collections.abc import Iterator

from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain


def refuse_unsupported(dom: Domain) -> None:
    """Checks that nothing of the domain would be lost.

    Raises:
        ConfigUnsupported: Something would, with the path of the first.
    """
    for what in _found(dom):
        raise ConfigUnsupported(f"{what} is not supported yet")


def _found(dom: Domain) -> Iterator[str]:
    if dom.os.smbios.mode == "host":
        yield "<smbios mode='host'>"
    for video in dom.devices.videos:
        if video.driver.name == "vhostuser":
            yield f"video device '{video.model.type}' in another process"
