# SPDX-License-Identifier: Apache-2.0
"""The other host's part of a migration, and the parameters of all parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virloom.client.domain.ref import DomainRef
from virloom.client.params import ParamValue, encode
from virloom.client.resource import Area
from virloom.client.stream import Stream
from virloom.errors import InvalidArg
from virloom.procedures import domain as p
from virloom.procedures.record import TypedParamValue, typed_value
from virloom.procedures.types import TypedParam

#: By libvirt's names, such as ``migrate_uri``; several of one name as a list.
MigrationParams = Mapping[str, "ParamValue | TypedParamValue | Sequence[str]"]

#: The types of those that are no text.
_TYPES = {
    "auto_converge.increment": "int",
    "auto_converge.initial": "int",
    "bandwidth": "ullong",
    "bandwidth.avail.switchover": "ullong",
    "bandwidth.postcopy": "ullong",
    "compression.mt.dthreads": "int",
    "compression.mt.level": "int",
    "compression.mt.threads": "int",
    "compression.xbzrle.cache": "ullong",
    "compression.zlib.level": "int",
    "compression.zstd.level": "int",
    "disks_port": "int",
    "parallel.connections": "int",
}


def params_of(params: MigrationParams) -> list[TypedParam]:
    """The parameters as they are sent.

    Raises:
        InvalidArg: A value does not fit its type.
    """
    current = [TypedParam(name, typed_value(kind, 0)) for name, kind in _TYPES.items()]
    sent: list[TypedParam] = []
    for name, value in params.items():
        if isinstance(value, str | int | float | TypedParamValue):
            sent += encode({name: value}, current)
        else:
            sent += [TypedParam(name, typed_value("string", one)) for one in value]
    return sent


def text_param(params: MigrationParams, name: str) -> str | None:
    """A parameter that must be a text where it is given.

    Raises:
        InvalidArg: It is none.
    """
    value = params.get(name)
    if isinstance(value, TypedParamValue):
        value = value.value
    if value is not None and not isinstance(value, str):
        raise InvalidArg(f"parameter '{name}' must be a text, not {value!r}")
    return value


class Arrivals(Area):
    """``conn.arrivals``: the phases of a migration on the host that the guest comes to.

    ``dom.migrate`` goes through all of them; they are for those who do it in another way.
    """

    async def prepare(
        self, params: MigrationParams, cookie: bytes, flags: int = 0
    ) -> tuple[str | None, bytes]:
        """Makes ready for a guest: where to send it, and a cookie for its ``perform``."""
        args = p.DomainMigratePrepare3ParamsArgs(params_of(params), cookie, flags)
        ret = await self._link.call(p.DOMAIN_MIGRATE_PREPARE3_PARAMS, args)
        return ret.uri_out, ret.cookie_out

    async def prepare_tunnel(
        self, params: MigrationParams, cookie: bytes, flags: int = 0
    ) -> tuple[bytes, Stream]:
        """The same for a guest that comes over a stream of this connection."""
        args = p.DomainMigratePrepareTunnel3ParamsArgs(params_of(params), cookie, flags)
        ret, end = await self._link.open_stream(p.DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS, args)
        return ret.cookie_out, Stream(end)

    async def finish(
        self, params: MigrationParams, cookie: bytes, flags: int = 0, *, cancelled: bool
    ) -> tuple[DomainRef, bytes]:
        """Lets the guest run here, or, when *cancelled*, ends it; a cookie for ``confirm``."""
        args = p.DomainMigrateFinish3ParamsArgs(params_of(params), cookie, flags, int(cancelled))
        ret = await self._link.call(p.DOMAIN_MIGRATE_FINISH3_PARAMS, args)
        return DomainRef.of_wire(ret.dom), ret.cookie_out
