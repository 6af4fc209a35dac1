# SPDX-License-Identifier: Apache-2.0
"""The document of a domain, its name, metadata, and what it does when its guest ends."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.runtime.ends import end_action, end_field
from virloom.drivers.runtime.metadata import (
    check_metadata,
    check_uri,
    read_metadata,
    write_metadata,
)
from virloom.drivers.runtime.store import check_name
from virloom.drivers.test.arguments import IMPACT, check_flags, document, documents
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.host import SECURITY_LABEL
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainEventDefinedDetailType,
    DomainEventID,
    DomainEventType,
    DomainEventUndefinedDetailType,
    DomainXMLFlags,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid
from virloom.procedures import domain as p
from virloom.xml import FormatFlags, format_document

XML_FLAGS = DomainXMLFlags.SECURE | DomainXMLFlags.INACTIVE | DomainXMLFlags.MIGRATABLE


def format_flags(flags: int) -> FormatFlags:
    """What the flags of ``virDomainGetXMLDesc`` ask for; there is no other host to migrate to."""
    asked = FormatFlags(0)
    if flags & DomainXMLFlags.SECURE:
        asked |= FormatFlags.SECURE
    if flags & DomainXMLFlags.INACTIVE:
        asked |= FormatFlags.INACTIVE
    return asked


class Documents:
    """Handlers of documents, names, metadata and autostart."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_XML_DESC)
    def get_xml_desc(self, call: Call, args: p.DomainGetXMLDescArgs) -> p.DomainGetXMLDescRet:
        check_flags(call, args.flags, XML_FLAGS)
        guest = self._driver.find(args.dom)
        inactive = args.flags & DomainXMLFlags.INACTIVE and guest.config is not None
        model = guest.config if inactive else guest.model
        assert model is not None
        return p.DomainGetXMLDescRet(format_document(model, format_flags(args.flags)))

    @serves(p.DOMAIN_GET_AUTOSTART)
    def get_autostart(self, call: Call, args: p.DomainGetAutostartArgs) -> p.DomainGetAutostartRet:
        return p.DomainGetAutostartRet(int(self._driver.find(args.dom).autostart))

    @serves(p.DOMAIN_SET_AUTOSTART)
    def set_autostart(self, call: Call, args: p.DomainSetAutostartArgs) -> None:
        """Also of a transient one."""
        self._driver.find(args.dom).autostart = bool(args.autostart)

    @serves(p.DOMAIN_RENAME)
    def rename(self, call: Call, args: p.DomainRenameArgs) -> p.DomainRenameRet:
        if not args.new_name:
            raise senseless("string new_name in virDomainRename must not be empty")
        check_flags(call, args.flags)
        guest = self._driver.find(args.dom)
        name = args.new_name
        if guest.active:
            raise OperationInvalid("cannot rename active domain", domain=ErrorDomain.TEST)
        check_name(name, ErrorDomain.TEST)
        if name == guest.name:
            raise OperationInvalid("Can't rename domain to itself", domain=ErrorDomain.DOMAIN)
        if self._driver.guests.by_name(name) is not None:
            raise OperationInvalid(
                f"domain with name '{name}' already exists", domain=ErrorDomain.DOMAIN
            )
        before = guest.ref()
        self._driver.guests.remove(guest)
        guest.name = guest.model.name = name
        self._driver.guests.add(guest)
        tell = self._driver.tell
        tell(before, DomainEventType.UNDEFINED, DomainEventUndefinedDetailType.RENAMED)
        tell(guest.ref(), DomainEventType.DEFINED, DomainEventDefinedDetailType.RENAMED)
        return p.DomainRenameRet(0)

    @serves(p.DOMAIN_GET_METADATA)
    def get_metadata(self, call: Call, args: p.DomainGetMetadataArgs) -> p.DomainGetMetadataRet:
        check_uri("virDomainGetMetadata", args.type, args.uri)
        check_flags(call, args.flags, IMPACT)
        guest = self._driver.find(args.dom)
        return p.DomainGetMetadataRet(
            read_metadata(lambda: document(guest, args.flags), args.type, args.uri)
        )

    @serves(p.DOMAIN_SET_METADATA)
    def set_metadata(self, call: Call, args: p.DomainSetMetadataArgs) -> None:
        check_metadata(args)
        check_flags(call, args.flags, IMPACT)
        guest = self._driver.find(args.dom)
        for model in documents(guest, args.flags):
            if model is not None:
                write_metadata(model, args)
        self._driver.events.emit(DomainEventID.METADATA_CHANGE, guest.ref(), args.type, args.uri)

    @serves(p.DOMAIN_SET_LIFECYCLE_ACTION)
    def set_lifecycle_action(self, call: Call, args: p.DomainSetLifecycleActionArgs) -> None:
        field, action = end_field(args.type), end_action(args.type, args.action)
        check_flags(call, args.flags, IMPACT)
        guest = self._driver.find(args.dom)
        for model in documents(guest, args.flags):
            if model is not None:
                setattr(model, field, action)

    @serves(p.DOMAIN_GET_SECURITY_LABEL)
    def security_label(
        self, call: Call, args: p.DomainGetSecurityLabelArgs
    ) -> p.DomainGetSecurityLabelRet:
        """A label that is enforced, by nobody."""
        self._driver.find(args.dom)
        return p.DomainGetSecurityLabelRet(SECURITY_LABEL.encode() + b"\0", 1)

    @serves(p.DOMAIN_GET_MESSAGES)
    def get_messages(self, call: Call, args: p.DomainGetMessagesArgs) -> p.DomainGetMessagesRet:
        """Nothing is ever out of the ordinary."""
        check_flags(call, args.flags, 1 | 2)  # VIR_DOMAIN_MESSAGE_DEPRECATION, _TAINTING
        self._driver.find(args.dom)
        return p.DomainGetMessagesRet([])
