# SPDX-License-Identifier: Apache-2.0
"""Eight threads on one connection: ``threads_session.py dropin|sync URI TYPE``; prints what came.

Each thread defines its own guest, looks it up and undefines it again, several times over, while
life cycle events arrive; guests of libvirt's test driver run meanwhile and give a screenshot.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

THREADS, ROUNDS = 8, 5

#: DEFINED, UNDEFINED; and with a run between them STARTED and STOPPED.
KINDS = {"qemu": (0, 1), "test": (0, 1, 2, 5)}


def document(kind: str, name: str) -> str:
    return (
        f"<domain type='{kind}'><name>{name}</name><memory>8192</memory>"
        "<os><type arch='x86_64'>hvm</type></os></domain>"
    )


class Seen:
    """Events by guest, in their order."""

    def __init__(self, kind: str) -> None:
        self.kinds = KINDS[kind]
        self.events: dict[str, list[int]] = {}

    def add(self, name: str, event: int) -> None:
        self.events.setdefault(name, []).append(event)

    def await_all(self) -> None:
        wanted = THREADS * ROUNDS * len(self.kinds)
        for _ in range(400):
            if sum(map(len, self.events.values())) >= wanted:
                return
            time.sleep(0.05)


def by_dropin(uri: str, kind: str, seen: Seen) -> list[int]:
    import libvirt

    libvirt.virEventRegisterDefaultImpl()

    def turn() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=turn, daemon=True).start()
    conn = libvirt.open(uri)

    def told(_: Any, dom: Any, event: int, detail: int, opaque: Any) -> None:
        seen.add(dom.name(), event)

    number = conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, told, None)

    def work(name: str) -> int:
        size = 0
        for _ in range(ROUNDS):
            dom = conn.defineXML(document(kind, name))
            assert conn.lookupByName(name).UUIDString() == dom.UUIDString()
            if kind == "test":
                dom.create()
                stream = conn.newStream()
                dom.screenshot(stream, 0)
                image = bytearray()
                stream.recvAll(lambda _, data, into: into.extend(data), image)
                stream.finish()
                size = len(image)
                dom.destroy()
            dom.undefine()
        return size

    sizes = in_threads(work)
    seen.await_all()
    conn.domainEventDeregisterAny(number)
    conn.close()
    return sizes


def by_sync(uri: str, kind: str, seen: Seen) -> list[int]:
    import virloom
    from virloom.client.domain.events import LifecycleEvent

    conn = virloom.open_sync(uri)
    end = conn.on_event(lambda event: seen.add(event.domain.name, event.event), LifecycleEvent)

    def work(name: str) -> int:
        size = 0
        for _ in range(ROUNDS):
            dom = conn.define_xml(document(kind, name))
            assert conn.lookup_by_name(name).uuid == dom.uuid
            if kind == "test":
                dom.create()
                size = len(dom.screenshot().data)
                dom.destroy()
            dom.undefine()
        return size

    sizes = in_threads(work)
    seen.await_all()
    end()
    conn.close()
    return sizes


def in_threads(work: Callable[[str], int]) -> list[int]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, [f"guest{number}" for number in range(THREADS)]))


def main() -> None:
    binding, uri, kind = sys.argv[1:]
    seen = Seen(kind)
    sizes = {"dropin": by_dropin, "sync": by_sync}[binding](uri, kind, seen)
    counts = {name: dict(sorted(Counter(events).items())) for name, events in seen.events.items()}
    first = {name: events[0] for name, events in seen.events.items()}
    print(json.dumps({"sizes": sizes, "counts": counts, "first": first}))


main()
