# SPDX-License-Identifier: Apache-2.0
"""The procedures that the secret driver serves."""

from __future__ import annotations

from functools import partial

from virloom.drivers.runtime import arguments
from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.secret.document import format_secret, parse
from virloom.drivers.secret.driver import Entry, SecretDriver
from virloom.endpoint import local
from virloom.endpoint.areas import AreaOpener
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.secret import ConnectListAllSecretsFlags, SecretDefineFlags
from virloom.procedures import secret as p
from virloom.procedures.record import Void

#: Refuses flags that a function does not know.
_check_flags = partial(arguments.check_flags, domain=ErrorDomain.SECRET)


class Secrets:
    """Handlers of secrets."""

    def __init__(self, driver: SecretDriver) -> None:
        self._driver = driver

    # -- which there are -----------------------------------------------------------------------

    @serves(p.CONNECT_NUM_OF_SECRETS)
    def count(self, call: Call, args: Void) -> p.ConnectNumOfSecretsRet:
        return p.ConnectNumOfSecretsRet(len(self._driver.all()))

    @serves(p.CONNECT_LIST_SECRETS)
    def uuids(self, call: Call, args: p.ConnectListSecretsArgs) -> p.ConnectListSecretsRet:
        found = [entry.model.uuid or "" for entry in self._driver.all()]
        return p.ConnectListSecretsRet(found[: args.maxuuids])

    @serves(p.CONNECT_LIST_ALL_SECRETS)
    def list_all(self, call: Call, args: p.ConnectListAllSecretsArgs) -> p.ConnectListAllSecretsRet:
        _check_flags(args.flags, sum(ConnectListAllSecretsFlags), "secretConnectListAllSecrets")
        found = [entry.ref() for entry in self._driver.all() if _selected(entry, args.flags)]
        return p.ConnectListAllSecretsRet(found if args.need_results else [], len(found))

    @serves(p.SECRET_LOOKUP_BY_UUID)
    def by_uuid(self, call: Call, args: p.SecretLookupByUUIDArgs) -> p.SecretLookupByUUIDRet:
        return p.SecretLookupByUUIDRet(self._driver.find(args.uuid).ref())

    @serves(p.SECRET_LOOKUP_BY_USAGE)
    def by_usage(self, call: Call, args: p.SecretLookupByUsageArgs) -> p.SecretLookupByUsageRet:
        found = self._driver.find_usage(args.usage_type, args.usage_id)
        return p.SecretLookupByUsageRet(found.ref())

    # -- documents -----------------------------------------------------------------------------

    @serves(p.SECRET_DEFINE_XML)
    async def define(self, call: Call, args: p.SecretDefineXMLArgs) -> p.SecretDefineXMLRet:
        _check_flags(args.flags, SecretDefineFlags.VALIDATE, "secretDefineXML")
        model = parse(args.xml, validate=bool(args.flags & SecretDefineFlags.VALIDATE))
        return p.SecretDefineXMLRet((await self._driver.define(model)).ref())

    @serves(p.SECRET_GET_XML_DESC)
    def document(self, call: Call, args: p.SecretGetXMLDescArgs) -> p.SecretGetXMLDescRet:
        _check_flags(args.flags, 0, "secretGetXMLDesc")
        entry = self._driver.find(args.secret.uuid)
        return p.SecretGetXMLDescRet(format_secret(entry.model))

    @serves(p.SECRET_UNDEFINE)
    async def undefine(self, call: Call, args: p.SecretUndefineArgs) -> None:
        await self._driver.undefine(args.secret.uuid)

    # -- values --------------------------------------------------------------------------------

    @serves(p.SECRET_SET_VALUE)
    async def set_value(self, call: Call, args: p.SecretSetValueArgs) -> None:
        _check_flags(args.flags, 0, "secretSetValue")
        if not args.value:
            raise senseless("value in virSecretSetValue must not be NULL", ErrorDomain.SECRET)
        await self._driver.set_value(args.secret.uuid, args.value)

    @serves(p.SECRET_GET_VALUE)
    def value(self, call: Call, args: p.SecretGetValueArgs) -> p.SecretGetValueRet:
        _check_flags(args.flags, 0, "secretGetValue")
        entry = self._driver.find(args.secret.uuid)
        trusted = call.session.identity.trusted
        return p.SecretGetValueRet(self._driver.value_of(entry, trusted=trusted))

    # -- events --------------------------------------------------------------------------------

    @serves(p.CONNECT_SECRET_EVENT_REGISTER_ANY)
    def register(
        self, call: Call, args: p.ConnectSecretEventRegisterAnyArgs
    ) -> p.ConnectSecretEventRegisterAnyRet:
        number = self._driver.events.register(call.session, args.event_id, args.secret)
        return p.ConnectSecretEventRegisterAnyRet(number)

    @serves(p.CONNECT_SECRET_EVENT_DEREGISTER_ANY)
    def deregister(self, call: Call, args: p.ConnectSecretEventDeregisterAnyArgs) -> None:
        self._driver.events.deregister(call.session, args.callback_id)


def _selected(entry: Entry, flags: int) -> bool:
    """Whether a secret is of the kinds that are asked for; both or neither of a pair is any."""
    known = ConnectListAllSecretsFlags
    for holds, yes, no in (
        (entry.model.ephemeral, known.EPHEMERAL, known.NO_EPHEMERAL),
        (entry.model.private, known.PRIVATE, known.NO_PRIVATE),
    ):
        asked = flags & (yes | no)
        if asked in (yes, no) and asked != (yes if holds else no):
            return False
    return True


def opener(driver: SecretDriver) -> AreaOpener:
    """How another driver of the same process reaches *driver*."""
    return local.opener(dispatcher(driver))


def dispatcher(driver: SecretDriver) -> Dispatcher:
    """All that *driver* serves."""
    return Dispatcher([AreaConnection("secret", driver.uri, ErrorDomain.SECRET), Secrets(driver)])
