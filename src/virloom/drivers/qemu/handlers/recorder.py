# SPDX-License-Identifier: Apache-2.0
"""What happened to the domains, for clients that were away and for people who ask why."""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import LIST_MAX, check_flags
from virloom.drivers.runtime.recorder import Entry
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.procedures import recorder as p
from virloom.procedures.types import NonnullDomain


class Recording:
    """Handlers of Virloom's own program; libvirt has nothing like it."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.RECORDER_GET_ENTRIES)
    def entries(self, call: Call, args: p.RecorderGetEntriesArgs) -> p.RecorderGetEntriesRet:
        check_flags(call, args.flags, 0, function="RecorderGetEntries")
        if not 0 < args.most <= LIST_MAX:
            raise InvalidArg(
                f"{args.most} entries at once; 1 to {LIST_MAX}", domain=ErrorDomain.QEMU
            )
        recorder = self._driver.recorder
        found = recorder.entries(
            args.after, uuid=args.uuid, only_events=bool(args.only_events), most=args.most
        )
        return p.RecorderGetEntriesRet(recorder.first, recorder.last, [_entry(e) for e in found])


def _entry(entry: Entry) -> p.RecorderEntry:
    dom = NonnullDomain(entry.name, entry.uuid, entry.id)
    return p.RecorderEntry(
        entry.sequence, entry.time, entry.kind, dom, entry.text, entry.event, entry.message
    )
