# SPDX-License-Identifier: Apache-2.0
"""A guest's own sleep, its dirty memory, and the secrets of one that is encrypted."""

from __future__ import annotations

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.typed import show_params
from virloom.enums.domain import DomainDirtyRateCalcFlags
from virloom.enums.host import NodeSuspendTarget
from virloom.enums.params import TypedParameterType as Type
from virloom.procedures.record import TypedParamValue

_TARGETS = {one.name.lower(): one for one in NodeSuspendTarget}
_MODES = {
    "page-sampling": DomainDirtyRateCalcFlags.PAGE_SAMPLING,
    "dirty-bitmap": DomainDirtyRateCalcFlags.DIRTY_BITMAP,
    "dirty-ring": DomainDirtyRateCalcFlags.DIRTY_RING,
}


@command("dompmsuspend")
async def dompmsuspend(session: Session, arguments: Arguments) -> None:
    """Have a guest put itself to sleep."""
    domain, name = await lookup.domain_named(session, arguments)
    duration = arguments.ulonglong("duration") or 0
    target = arguments.text("target")
    if target not in _TARGETS:
        raise CommandFailed("Invalid target")
    with failing(f"Domain '{name}' could not be suspended"):
        await domain.pm_suspend(_TARGETS[target], duration)
    session.output.note(f"Domain '{name}' successfully suspended")


@command("dompmwakeup")
async def dompmwakeup(session: Session, arguments: Arguments) -> None:
    """Wake a guest that has put itself to sleep."""
    domain, name = await lookup.domain_named(session, arguments)
    with failing(f"Domain '{name}' could not be woken up"):
        await domain.pm_wakeup()
    session.output.note(f"Domain '{name}' successfully woken up")


@command("domdirtyrate-calc")
async def domdirtyrate_calc(session: Session, arguments: Arguments) -> None:
    """Begin to measure how much memory a guest changes."""
    domain = await lookup.domain(session, arguments)
    seconds = arguments.integer("seconds")
    mode = arguments.get("mode") or "page-sampling"
    if mode not in _MODES:
        raise CommandFailed(f"Unknown calculation mode '{mode}'")
    await domain.memory.start_dirty_rate(1 if seconds is None else seconds, _MODES[mode])
    session.output.note("Start to calculate domain's memory dirty rate successfully.")


@command("domlaunchsecinfo")
async def domlaunchsecinfo(session: Session, arguments: Arguments) -> None:
    """Print the measurement of an encrypted guest, and what goes with it."""
    domain = await lookup.domain(session, arguments)
    with failing("Unable to get launch security parameters"):
        found = await domain.launch_security_info()
    show_params(session, found)


@command("domsetlaunchsecstate")
async def domsetlaunchsecstate(session: Session, arguments: Arguments) -> None:
    """Hand a secret to an encrypted guest that waits for it."""
    domain = await lookup.domain(session, arguments)
    secret, header = arguments.get("secret"), arguments.get("secrethdr")
    if secret is None or header is None:
        raise CommandFailed("Both secret and the secret header are required")
    values = {
        "sev-secret-header": TypedParamValue(Type.STRING, read_document(header)),
        "sev-secret": TypedParamValue(Type.STRING, read_document(secret)),
    }
    address = arguments.ulonglong("set-address")
    if address is not None:
        values["sev-secret-set-address"] = TypedParamValue(Type.ULLONG, address)
    with failing("Unable to set launch security state"):
        await domain.set_launch_security_state(values)
