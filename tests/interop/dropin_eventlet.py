# SPDX-License-Identifier: Apache-2.0
"""What OpenStack Nova does: ``import libvirt`` under eventlet's monkey patching, as JSON.

python dropin_eventlet.py URI
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import json  # noqa: E402 - after the patching, as there
import os  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from typing import Any  # noqa: E402

import libvirt  # noqa: E402
from eventlet import greenio, patcher, tpool  # noqa: E402

native_threading = patcher.original("threading")
native_queue = patcher.original("queue")

DOMAIN = """
<domain type='test'><name>green</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>
</domain>
"""


class Host:
    """A connection whose calls go to native threads, and its events back to a green one."""

    def __init__(self, uri: str) -> None:
        self.queue: Any = native_queue.Queue()
        reading, self.writing = os.pipe()
        self.bell = greenio.GreenPipe(reading, "rb", 0)
        libvirt.virEventRegisterDefaultImpl()
        native_threading.Thread(target=self.turn, daemon=True).start()
        auth = [[libvirt.VIR_CRED_AUTHNAME, libvirt.VIR_CRED_PASSPHRASE], lambda *_: 0, None]
        conn = tpool.execute(libvirt.openAuth, uri, auth, 0)
        self.conn = tpool.Proxy(conn, autowrap=(libvirt.virDomain, libvirt.virConnect))

    def turn(self) -> None:
        """The native thread of the event loop."""
        while True:
            libvirt.virEventRunDefaultImpl()

    def heard(self, conn: Any, dom: Any, event: int, detail: int, opaque: Any) -> None:
        """An event, in that thread."""
        self.queue.put((dom.name(), event))
        os.write(self.writing, b"!")

    def event(self) -> Any:
        """The next event, in a green thread."""
        self.bell.read(1)
        return self.queue.get(block=False)


def main() -> None:
    """The session."""
    host = Host(sys.argv[1])
    ticks: list[int] = []

    def tick() -> None:
        while True:
            eventlet.sleep(0.001)
            ticks.append(1)

    eventlet.spawn(tick)
    host.conn.domainEventRegisterAny(None, 0, host.heard, None)
    dom = host.conn.defineXML(DOMAIN)
    dom.create()
    events = [host.event(), host.event()]
    pile = eventlet.GreenPool(8)
    names = list(pile.imap(lambda _: dom.name() + host.conn.getHostname()[:0], range(40)))
    failed = None
    try:
        host.conn.lookupByName("none")
    except libvirt.libvirtError as error:
        failed = error.get_error_code()
    dom.destroy()
    dom.undefine()
    events += [host.event(), host.event()]
    from virloom.sync.portal import portal

    print(json.dumps({
        "events": events, "names": len(names), "failed": failed, "ticked": len(ticks) > 5,
        "native": type(portal()._thread) is not threading.Thread,
    }))  # fmt: skip
    sys.stdout.flush()
    os._exit(0)


main()
