# SPDX-License-Identifier: Apache-2.0
"""What an operator should know of a running guest: in which ways it is out of the ordinary."""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.endpoint.dispatch import Call, serves
from virloom.procedures import domain as p

_DEPRECATION, _TAINTING = 1, 2  # virDomainMessageType

#: libvirt's names of taints, in its order, with whether a guest has them.
CUSTOM_ARGUMENTS = "custom configuration parameters specified"
CUSTOM_MONITOR = "custom monitor control commands issued"
PRIVILEGED = "running with undesirable elevated privileges"
HOST_CPU = "use of host cpu passthrough"


class Messages:
    """The handler of messages about a domain."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_MESSAGES)
    def get_messages(self, call: Call, args: p.DomainGetMessagesArgs) -> p.DomainGetMessagesRet:
        """Taints of a running guest; nothing that is used here counts as deprecated yet."""
        check_flags(call, args.flags, _DEPRECATION | _TAINTING)
        running = self._driver.find(args.dom).running
        if running is None or args.flags == _DEPRECATION:
            return p.DomainGetMessagesRet([])
        return p.DomainGetMessagesRet([f"tainted: {taint}" for taint in self._taints(running)])

    def _taints(self, running: RunningGuest) -> list[str]:
        model, recorded = running.model, running.record.runtime.get("taints", ())
        own = model.qemu_commandline
        owner = self._driver.dac.ids.uid if self._driver.dac.privileged else None
        return [
            taint
            for taint, has in (
                (CUSTOM_ARGUMENTS, bool(own.args or own.env)),
                (CUSTOM_MONITOR, CUSTOM_MONITOR in recorded),
                (PRIVILEGED, owner == 0),
                (HOST_CPU, model.cpu is not None and model.cpu.mode == "host-passthrough"),
            )
            if has
        ]


def taint(running: RunningGuest, what: str) -> None:
    """Notes a taint that the document does not show, for as long as the guest runs.

    Raises:
        SystemFailure: The status file cannot be written.
    """
    taints = running.record.runtime.setdefault("taints", [])
    if what not in taints:
        taints.append(what)
        running.save()
