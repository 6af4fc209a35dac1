# SPDX-License-Identifier: Apache-2.0
"""Persistent documents: as text in memory and on disk, as trees only while somebody asks."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from virloom.drivers.runtime.turns import let_others
from virloom.errors import VirloomError
from virloom.xml import FormatFlags, format_document, may_show_secrets, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.runtime.store import Document
    from virloom.model.domain import Domain

logger = logging.getLogger(__name__)

T = TypeVar("T")


class _Trees:
    """The trees of the documents that were asked for last, within bounds of number and size.

    A defined domain that nobody asks about costs its text; one of megabytes, whose every version
    is another text, must not cost all that other domains have.
    """

    def __init__(self, most: int, most_text: int) -> None:
        self._most = most
        self._most_text = most_text
        self._kept: OrderedDict[str, Domain] = OrderedDict()
        self._text = 0

    def of(self, text: str) -> Domain:
        """The tree of a document; parsed if it is not kept."""
        found = self._kept.get(text)
        if found is not None:
            self._kept.move_to_end(text)
            return found
        from virloom.model.domain import Domain  # a fifth of all modules; nobody may ever ask

        tree = parse_document(Domain, text)
        if len(text) <= self._most_text:
            self._kept[text] = tree
            self._text += len(text)
            while len(self._kept) > self._most or self._text > self._most_text:
                dropped, _ = self._kept.popitem(last=False)
                self._text -= len(dropped)
        return tree


_TREES = _Trees(most=256, most_text=4 << 20)


class Definition:
    """A persistent document: its text, and its tree when somebody asks. It never changes."""

    __slots__ = ("_facts", "_shown", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._shown: str | None = None
        self._facts: dict[str, Any] | None = None

    @classmethod
    def of(cls, model: Domain) -> Definition:
        """The document of *model*, which it does not keep."""
        from virloom.drivers.qemu.block.volumes import as_told  # who has a model has the rest, too

        model = as_told(model)
        made = cls(format_document(model, FormatFlags.INACTIVE | FormatFlags.SECURE))
        made._shown = made._without_secrets(model)
        return made

    @property
    def model(self) -> Domain:
        """The tree; shared, so whoever wants to change it takes a ``copy()``."""
        return _TREES.of(self.text)

    @property
    def shown(self) -> str:
        """The document as everybody may see it; formatted once."""
        if self._shown is None:
            text = format_document(self.model, FormatFlags.INACTIVE)
            self._shown = self.text if text == self.text else text
        return self._shown

    def _without_secrets(self, model: Domain) -> str:
        if not may_show_secrets(self.text):
            return self.text
        return format_document(model, FormatFlags.INACTIVE)

    def fact(self, name: str, tell: Callable[[Domain], T]) -> T:
        """What *tell* finds in the tree; looked for once, so it must be small."""
        if self._facts is None:
            self._facts = {}
        try:
            found: T = self._facts[name]
        except KeyError:
            found = self._facts[name] = tell(self.model)
        return found


async def write_definition(
    driver: QemuDriver, guest: Guest, model: Domain, then: Callable[[], None] | None = None
) -> None:
    """Makes *model* the persistent document of *guest*, on disk first; ``writing`` is held.

    Args:
        then: Called as soon as it is.

    Raises:
        SystemFailure: It cannot be written; the former one stays.
    """
    await let_others()  # it has just been completed
    definition = Definition.of(model)

    def durable() -> None:
        guest.definition = definition
        if then is not None:
            then()

    await driver.store.save(guest.name, guest.uuid, definition.text, durable)


def load_definitions(driver: QemuDriver) -> None:
    """Takes in all documents on disk whose names are not known yet.

    Those that we wrote, and nobody changed, are not parsed: the index has their UUIDs.
    """
    driver.index.load()
    for document in driver.store.load():
        if driver.guests.by_name(document.name) is not None:
            continue
        definition = Definition(document.text)
        try:
            uuid = driver.index.uuid(document.name, document.stamp)
            if uuid is None:
                uuid = _checked(driver, document, definition)
            guest = driver.new_guest(document.name, uuid)
            guest.definition = definition
            driver.guests.add(guest)
        except (VirloomError, ValueError) as exc:
            logger.error("'%s' in '%s' is left out: %s", document.name, driver.store.directory, exc)
    driver.index.forget_memory()


def _checked(driver: QemuDriver, document: Document, definition: Definition) -> bytes:
    """The UUID of a document that somebody else wrote, which is noted from now on."""
    from uuid import UUID  # a daemon whose domains are all in its index begins without

    model = definition.model
    if model.name != document.name or not model.uuid:
        raise ValueError("its name is not that of its file, or it has no UUID")
    uuid = UUID(model.uuid).bytes
    driver.index.note(document.name, uuid, document.stamp)
    return uuid
