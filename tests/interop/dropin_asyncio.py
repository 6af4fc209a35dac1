# SPDX-License-Identifier: Apache-2.0
"""``libvirtaio`` and a console stream for event loops; prints what happened, as JSON.

python dropin_asyncio.py URI DOCUMENT
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import libvirt
import libvirtaio


class Console:
    """A guest's console, read and written as the event loop says."""

    def __init__(self, dom: Any) -> None:
        self.text = b""
        self.grown = asyncio.Event()
        self.stream = dom.connect().newStream(libvirt.VIR_STREAM_NONBLOCK)
        dom.openConsole(None, self.stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        self.stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE, self.ready, self)

    def ready(self, stream: Any, events: int, opaque: Any) -> None:
        """Takes what has come."""
        data = stream.recv(4096)
        if isinstance(data, bytes) and data:
            self.text += data
            self.grown.set()
        elif data == b"":
            stream.eventRemoveCallback()

    async def until(self, needle: bytes) -> bool:
        """Waits until the guest has printed something."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                while needle not in self.text:
                    self.grown.clear()
                    await self.grown.wait()
        return needle in self.text


async def main() -> None:
    """Boots a guest, talks to it, stops it."""
    libvirt.registerErrorHandler(lambda ctx, error: None, None)
    impl = libvirtaio.virEventRegisterAsyncIOImpl()
    conn = libvirt.open(sys.argv[1])
    seen: list[list[int]] = []
    stopped = asyncio.Event()

    def lifecycle(conn: Any, dom: Any, event: int, detail: int, opaque: Any) -> None:
        seen.append([event, detail])
        if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            stopped.set()

    def fails(*args: Any) -> None:
        raise RuntimeError("an application's own mistake")

    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, fails, None)
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None)
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        text = Path(sys.argv[2]).read_text()
        dom = conn.createXML(text, libvirt.VIR_DOMAIN_START_PAUSED)
        console = Console(dom)
        dom.resume()
        ready = await console.until(b"VIRLOOM-GUEST-READY")
        sent = console.stream.send(b"echo from-the-guest-$((40+2))\n")
        echo = sent > 0 and await console.until(b"from-the-guest-42")
        console.stream.eventRemoveCallback()
        console.stream.abort()
        dom.destroy()
        async with asyncio.timeout(20):
            await stopped.wait()
    del dom
    console.stream = None
    conn.close()
    await impl.drain()
    told = {
        "ready": ready,
        "echo": echo,
        "lifecycle": [row for row in seen if row[0] in (2, 4, 5)],
        "survived": "an application's own mistake" in errors.getvalue(),
        "idle": impl.is_idle(),
        "blocking": after_close(conn),
    }
    print(json.dumps(told))


def after_close(conn: Any) -> str:
    """How a call on a closed connection fails."""
    try:
        conn.getHostname()
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_INVALID_CONN:
            return "connection closed"
    return "something else"


asyncio.run(main())
