# SPDX-License-Identifier: Apache-2.0
"""A domain's state in files: saved, managed, dumped."""

from __future__ import annotations

from virloom.client.domain.facet import Facet, ParamsToSet
from virloom.client.params import encode
from virloom.procedures import domain as p


class Saving(Facet):
    """``dom.saving``. Flags are :class:`~virloom.enums.domain.DomainSaveRestoreFlags`."""

    async def save(self, path: str, document: str | None = None, flags: int = 0) -> None:
        """Writes the guest's state to a file of the host and ends it."""
        if document is None and not flags:
            await self._link.call(p.DOMAIN_SAVE, p.DomainSaveArgs(self._dom, path))
        else:
            args = p.DomainSaveFlagsArgs(self._dom, path, document, flags)
            await self._link.call(p.DOMAIN_SAVE_FLAGS, args)

    async def save_params(self, values: ParamsToSet, flags: int = 0) -> None:
        """The same by parameters of libvirt's names, such as ``file`` and ``dxml``."""
        args = p.DomainSaveParamsArgs(self._dom, encode(values), flags)
        await self._link.call(p.DOMAIN_SAVE_PARAMS, args)

    async def managed_save(self, flags: int = 0) -> None:
        """The same to a file that the next start takes by itself."""
        args = p.DomainManagedSaveArgs(self._dom, flags)
        await self._link.call(p.DOMAIN_MANAGED_SAVE, args)

    async def has_managed_save(self) -> bool:
        """Whether there is such a file."""
        args = p.DomainHasManagedSaveImageArgs(self._dom)
        return bool((await self._link.call(p.DOMAIN_HAS_MANAGED_SAVE_IMAGE, args)).result)

    async def remove_managed_save(self) -> None:
        """Deletes it."""
        args = p.DomainManagedSaveRemoveArgs(self._dom)
        await self._link.call(p.DOMAIN_MANAGED_SAVE_REMOVE, args)

    async def managed_save_xml_desc(self, flags: int = 0) -> str:
        """The document in it."""
        args = p.DomainManagedSaveGetXMLDescArgs(self._dom, flags)
        return (await self._link.call(p.DOMAIN_MANAGED_SAVE_GET_XML_DESC, args)).xml

    async def managed_save_define_xml(self, document: str, flags: int = 0) -> None:
        """Replaces that."""
        args = p.DomainManagedSaveDefineXMLArgs(self._dom, document, flags)
        await self._link.call(p.DOMAIN_MANAGED_SAVE_DEFINE_XML, args)

    async def core_dump(self, path: str, format: int | None = None, flags: int = 0) -> None:
        """Writes the guest's memory to a file of the host.

        Args:
            path: The file.
            format: :class:`~virloom.enums.domain.DomainCoreDumpFormat`.
            flags: :class:`~virloom.enums.domain.DomainCoreDumpFlags`.
        """
        if format is None:
            await self._link.call(p.DOMAIN_CORE_DUMP, p.DomainCoreDumpArgs(self._dom, path, flags))
        else:
            args = p.DomainCoreDumpWithFormatArgs(self._dom, path, format, flags)
            await self._link.call(p.DOMAIN_CORE_DUMP_WITH_FORMAT, args)
