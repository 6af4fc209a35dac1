# SPDX-License-Identifier: Apache-2.0
"""The list of domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.states import state_word
from virloom.enums.domain import ConnectListAllDomainsFlags as F
from virloom.enums.domain import DomainState
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain

_FILTERS = {
    "persistent": F.PERSISTENT,
    "transient": F.TRANSIENT,
    "with-managed-save": F.MANAGEDSAVE,
    "without-managed-save": F.NO_MANAGEDSAVE,
    "autostart": F.AUTOSTART,
    "no-autostart": F.NO_AUTOSTART,
    "with-snapshot": F.HAS_SNAPSHOT,
    "without-snapshot": F.NO_SNAPSHOT,
    "with-checkpoint": F.HAS_CHECKPOINT,
    "without-checkpoint": F.NO_CHECKPOINT,
    "state-running": F.RUNNING,
    "state-paused": F.PAUSED,
    "state-shutoff": F.SHUTOFF,
    "state-other": F.OTHER,
}


@command("list")
async def list_(session: Session, arguments: Arguments) -> None:
    """Print the domains, by default those that run."""
    for plain in ("name", "uuid", "id"):
        arguments.exclusive("table", plain)
    flags = _flags(arguments)
    connection = await session.connection()
    with failing("Failed to list domains"):
        domains = await connection.list_all_domains(flags)
    domains.sort(key=lambda domain: (domain.id < 0, domain.id if domain.id >= 0 else domain.name))
    if {"name", "uuid", "id"} & {name for name in ("name", "uuid", "id") if name in arguments}:
        _print_plain(session, arguments, domains)
        return
    headers = ["Id", "Name", "State", *(["Title"] if "title" in arguments else [])]
    rows = [row for domain in domains if (row := await _row(domain, arguments)) is not None]
    session.output.table(headers, rows)


def _flags(arguments: Arguments) -> int:
    flags = arguments.flags(_FILTERS)
    if "all" in arguments:
        return flags | F.ACTIVE | F.INACTIVE
    return flags | (F.INACTIVE if "inactive" in arguments else F.ACTIVE)


def _print_plain(session: Session, arguments: Arguments, domains: list[Domain]) -> None:
    titles = [title for title in ("uuid", "id", "name") if title in arguments]
    rows = []
    for domain in domains:
        parts = {
            "uuid": str(domain.uuid),
            "id": str(domain.id) if domain.id >= 0 else "-",
            "name": domain.name,
        }
        rows.append([parts[title] for title in titles])
    session.output.lines(titles, rows, " ".join("{}" for _ in titles))


async def _row(domain: Domain, arguments: Arguments) -> list[str] | None:
    try:
        state = (await domain.state()).state
        saved = (
            "managed-save" in arguments
            and state == DomainState.SHUTOFF
            and await domain.saving.has_managed_save()
        )
        title = [await _title(domain)] if "title" in arguments else []
    except VirloomError:
        # It has gone since it was listed.
        return None
    number = str(domain.id) if domain.id >= 0 else "-"
    return [number, domain.name, "saved" if saved else state_word(state), *title]


async def _title(domain: Domain) -> str:
    try:
        return await domain.title()
    except VirloomError:
        return ""
