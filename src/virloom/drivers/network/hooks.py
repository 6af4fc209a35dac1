# SPDX-License-Identifier: Apache-2.0
"""When the host's scripts are called for networks: ``hooks/network``, as libvirt's.

============  =====  ==========================================  ===================
operation     phase  when                                        a failure
============  =====  ==========================================  ===================
start         begin  before anything is made                     refuses the start
started       begin  when it is active                           undoes the start
stopped       end    when all is gone                            is logged
updated       begin  when a part of a document was updated       is logged
port-created  begin  when an interface has its port              takes the port back
port-deleted  begin  when an interface has given its port back   is logged
============  =====  ==========================================  ===================

A script reads ``<hookData>`` with the network and, if it is about one, the port.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

from virloom.drivers.runtime.hooks import Hooks
from virloom.model.network import Network
from virloom.model.network.port import NetworkPort
from virloom.xml import format_document

#: What a script may refuse.
_REFUSABLE = ("start", "started", "port-created")


class NetworkHooks:
    """The scripts for networks.

    Args:
        directory: Of all hooks; None where there are none.
    """

    def __init__(self, directory: Path | None) -> None:
        self._hooks = Hooks(directory, "network")

    async def tell(self, operation: str, model: Network, port: NetworkPort | None = None) -> None:
        """Tells the scripts of an operation of the table above.

        Raises:
            HookScriptFailed: One refuses what can be refused.
        """
        if not self._hooks.scripts():
            return
        phase = "end" if operation == "stopped" else "begin"
        call = self._hooks.run if operation in _REFUSABLE else self._hooks.try_run
        await call(model.name, operation, phase, "-", document_of(model, port))


def document_of(model: Network, port: NetworkPort | None) -> str:
    """What a script reads."""
    parts = [format_document(part) for part in (model, port) if part is not None]
    inner = "".join(indent(part if part.endswith("\n") else f"{part}\n", "  ") for part in parts)
    return f"<hookData>\n{inner}</hookData>"
