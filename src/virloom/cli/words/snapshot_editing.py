# SPDX-License-Identifier: Apache-2.0
"""Documents of snapshots in the user's editor: changed, renamed, cloned."""

from __future__ import annotations

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.editing import Edited
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.words.moments import edit_moment
from virloom.client.domain.domain import Domain
from virloom.client.domain.snapshots import Snapshot
from virloom.enums.snapshot import DomainSnapshotCreateFlags as Create
from virloom.enums.snapshot import DomainSnapshotDeleteFlags as Delete
from virloom.enums.snapshot import DomainSnapshotXMLFlags
from virloom.errors import VirloomError


@command("snapshot-edit")
async def edit(session: Session, arguments: Arguments) -> None:
    """Change the document of a snapshot in an editor.

    With ``--current`` beside a name it becomes the one that the next is made upon. Another name
    in the document needs ``--rename`` or ``--clone``, which keeps the one there was.
    """
    arguments.exclusive("rename", "clone")
    domain = await lookup.domain(session, arguments)
    name = arguments.get("snapshotname")
    if name is not None:
        snapshot = await domain.snapshots.lookup(name)
    elif "current" in arguments:
        snapshot = await domain.snapshots.current()
    else:
        raise CommandFailed("--snapshotname or --current is required")
    chooses = name is not None and "current" in arguments
    is_current = "current" in arguments or await snapshot.is_current()
    saver = _Saver(session, domain, snapshot, is_current, arguments)
    what = Edited(
        "Snapshot {}", snapshot.name, saver.read, saver.save, always=chooses, said=saver.said
    )
    await edit_moment(session, what)


class _Saver:
    """Saves the document of a snapshot, under another name where that is wanted."""

    def __init__(
        self,
        session: Session,
        domain: Domain,
        snapshot: Snapshot,
        is_current: bool,
        arguments: Arguments,
    ) -> None:
        self._session = session
        self._domain = domain
        self._snapshot = snapshot
        self._flags = Create.REDEFINE | (Create.CURRENT if is_current else 0)
        self._clones = "clone" in arguments
        self._renames = "rename" in arguments

    async def read(self) -> str:
        """The document as it is."""
        return await self._snapshot.xml_desc(DomainSnapshotXMLFlags.SECURE)

    async def save(self, document: str, validate: bool) -> str:
        """Saves it; raises CommandFailed for a name that was not to be changed."""
        made = await self._domain.snapshots.create(document, self._flags)
        if made.name != self._snapshot.name and not self._clones:
            await self._forget(self._snapshot if self._renames else made)
            if not self._renames:
                raise CommandFailed(
                    f"Must use --rename or --clone to change {self._snapshot.name} to {made.name}"
                )
        return made.name

    async def _forget(self, snapshot: Snapshot) -> None:
        try:
            await snapshot.delete(Delete.METADATA_ONLY)
        except VirloomError as error:
            self._session.complain(error.message)
            raise CommandFailed(f"Failed to clean up {snapshot.name}") from None

    def said(self, name: str) -> str:
        """What is said of it by its name now."""
        if name == self._snapshot.name:
            return f"Snapshot {name} edited."
        return f"Snapshot {self._snapshot.name} cloned to {name}." if self._clones else ""
