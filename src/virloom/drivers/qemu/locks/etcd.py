# SPDX-License-Identifier: Apache-2.0
"""Leases of etcd: disks that hosts share, also where no file system has locks that hosts see.

A guest has one lease of etcd while it has claims; it is renewed by this process, and ends by itself
when nobody does, and the keys that it put with it::

    PREFIX one/KIND:PATH              of one guest alone
    PREFIX all/KIND:PATH\\n UUID       of one of those that share it
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.locks.etcd_config import EtcdConfig
from virloom.drivers.qemu.locks.etcd_gateway import (
    NOT_FOUND,
    EtcdError,
    EtcdGateway,
    decoded,
    encoded,
)
from virloom.drivers.qemu.locks.interface import Claim, LockManager, Owner
from virloom.enums.error import ErrorDomain
from virloom.errors import ResourceBusy, VirloomError
from virloom.host.boot import boot_id

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Parts of a lease's time. It is looked at after each one, and a look takes one at most; it is
#: renewed after two, and taken for lost after seven, so that three are left to stop the guest.
_PARTS, _RENEWED, _LOST = 12, 2, 7


class _Held:
    """The lease of a guest.

    Attributes:
        id: etcd's.
        renewed: When it was renewed last, on the clock that goes on while the host sleeps.
        claims: What the guest has by it.
    """

    def __init__(self, id: str, renewed: float) -> None:
        self.id = id
        self.renewed = renewed
        self.claims: set[Claim] = set()


class EtcdManager(LockManager):
    """Leases of etcd.

    Args:
        config: Where it is.
    """

    name = "etcd"

    def __init__(self, config: EtcdConfig) -> None:
        super().__init__()
        self._config = config
        self._etcd = EtcdGateway(config)
        self._held: dict[str, _Held] = {}
        self._part = config.ttl / _PARTS
        self._renewal: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    async def ready(self) -> None:
        key = encoded(self._config.prefix)
        await self._etcd.call("kv/range", {"key": key, "count_only": True})

    # -- given and taken back ------------------------------------------------------------------

    async def acquire(self, owner: Owner, claims: Sequence[Claim]) -> None:
        held = self._held.get(owner.uuid)
        fresh = held is None
        if held is None:
            held = await self._grant()
        try:
            await self._put(owner, held, claims)
        except BaseException:
            if fresh:  # with all that was put, if anything was
                await self._revoke(held.id)
            raise
        self._held[owner.uuid] = held
        held.claims |= set(claims)
        self._renew_from_now_on()

    async def _grant(self) -> _Held:
        asked = _now()
        answer = await self._etcd.call("lease/grant", {"TTL": str(self._config.ttl)})
        return _Held(str(answer["ID"]), asked)

    async def _put(self, owner: Owner, held: _Held, claims: Sequence[Claim]) -> None:
        """All keys or none.

        Raises:
            ResourceBusy: Somebody has one.
        """
        value = encoded(json.dumps(self._said_of(owner)))
        compared, puts, looks = [], [], []
        for claim in claims:
            alone = {"key": encoded(self._alone(claim))}
            shared = _range(self._shared(claim, ""))
            for asked in [alone] if claim.shared else [alone, shared]:
                free = {"target": "CREATE", "result": "EQUAL", "create_revision": "0"}
                compared.append({**asked, **free})
                looks.append({"request_range": asked})
            key = encoded(self._key(claim, owner))
            puts.append({"request_put": {"key": key, "value": value, "lease": held.id}})
        request = {"compare": compared, "success": puts, "failure": looks}
        answer = await self._etcd.call("kv/txn", request)
        if answer.get("succeeded"):
            return
        found = [
            kv
            for response in answer.get("responses", ())
            for kv in response.get("response_range", {}).get("kvs", ())
        ]
        if found and all(kv.get("lease") == held.id for kv in found):
            return  # an answer was lost, and we have asked again
        raise self._busy(claims, found)

    def _busy(self, claims: Sequence[Claim], found: Sequence[dict[str, Any]]) -> ResourceBusy:
        path, whose = claims[0].path, "somebody"
        if found:
            key = decoded(found[0]["key"]).partition("\n")[0]
            path = next((c.path for c in claims if key.endswith(f"/{_name(c)}")), path)
            try:
                said = json.loads(decoded(found[0].get("value", "")))
                whose = f"domain '{said['name']}' on host '{said['host']}'"
            except (ValueError, KeyError, TypeError):
                logger.warning("etcd: nobody knows whose '%s' is", key)
        return ResourceBusy(f"'{path}' is leased by {whose}", domain=ErrorDomain.LOCKING)

    async def release(self, owner: Owner, claims: Sequence[Claim]) -> None:
        held = self._held.get(owner.uuid)
        if held is not None and held.claims <= set(claims):
            await self._revoke(held.id)
            del self._held[owner.uuid]
            return
        for claim in claims:
            await self._delete(owner, claim)
        if held is not None:
            held.claims -= set(claims)

    async def _delete(self, owner: Owner, claim: Claim) -> None:
        """Deletes a key that is this guest's, and nobody else's."""
        kv = await self._find(owner, claim)
        if kv is None:
            return
        key = encoded(self._key(claim, owner))
        revision = kv["mod_revision"]
        same = {"key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision}
        gone = {"request_delete_range": {"key": key}}
        await self._etcd.call("kv/txn", {"compare": [same], "success": [gone]})

    async def _find(self, owner: Owner, claim: Claim) -> dict[str, Any] | None:
        """A guest's key, if it is there and the guest's."""
        request = {"key": encoded(self._key(claim, owner))}
        answer = await self._etcd.call("kv/range", request)
        for kv in answer.get("kvs", ()):
            try:
                if json.loads(decoded(kv.get("value", ""))) == self._said_of(owner):
                    found: dict[str, Any] = kv
                    return found
            except ValueError:
                logger.warning("etcd: the value of '%s' is not ours", self._key(claim, owner))
        return None

    async def _revoke(self, lease: str) -> None:
        """Ends a lease, and with it its keys; one that cannot be ended ends in its time."""
        try:
            await self._etcd.call("lease/revoke", {"ID": lease})
        except EtcdError as exc:
            if exc.status != NOT_FOUND:
                raise

    # -- kept ----------------------------------------------------------------------------------

    async def adopt(self, owner: Owner, claims: Sequence[Claim]) -> None:
        found = [await self._find(owner, claim) for claim in claims]
        leases = {str(kv["lease"]) for kv in found if kv is not None}
        if len(leases) == 1:
            held = self._held[owner.uuid] = _Held(leases.pop(), _now())
            held.claims = {c for c, kv in zip(claims, found, strict=True) if kv is not None}
            await self._renew(owner.uuid, held)
            self._renew_from_now_on()
        missing = [c for c, kv in zip(claims, found, strict=True) if kv is None]
        if missing:  # too much time has gone
            await self.acquire(owner, missing)

    def _renew_from_now_on(self) -> None:
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        while not await self._has_ended_within(self._part):
            due = [item for item in self._held.items() if self._age(item[1]) >= _RENEWED]
            await asyncio.gather(*(self._renew(uuid, lease) for uuid, lease in due))
            for uuid, lease in due:
                if self._held.get(uuid) is lease and self._age(lease) >= _LOST:
                    del self._held[uuid]
                    self.lost(uuid)

    def _age(self, lease: _Held) -> float:
        """Parts of its time that have gone since it was renewed."""
        return (_now() - lease.renewed) / self._part

    async def _has_ended_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._ended.wait()
        except TimeoutError:
            return False

    async def _renew(self, uuid: str, lease: _Held) -> None:
        asked = _now()
        try:
            async with asyncio.timeout(self._part):
                answer = await self._etcd.call("lease/keepalive", {"ID": lease.id})
        except (VirloomError, TimeoutError) as exc:
            logger.warning("etcd: the lease of domain %s is not renewed: %s", uuid, exc)
            return
        if int(answer.get("result", {}).get("TTL", 0)) > 0:
            lease.renewed = asked
        else:
            lease.renewed = -float("inf")  # it has ended

    async def close(self) -> None:
        self._ended.set()
        if self._renewal is not None:
            await asyncio.wait([self._renewal])

    # -- names ---------------------------------------------------------------------------------

    def _said_of(self, owner: Owner) -> dict[str, Any]:
        return {
            "host": self._config.host,
            "boot": boot_id(),
            "uuid": owner.uuid,
            "name": owner.name,
            "pid": owner.pid,
        }

    def _key(self, claim: Claim, owner: Owner) -> str:
        return self._shared(claim, owner.uuid) if claim.shared else self._alone(claim)

    def _alone(self, claim: Claim) -> str:
        return f"{self._config.prefix}one/{_name(claim)}"

    def _shared(self, claim: Claim, uuid: str) -> str:
        return f"{self._config.prefix}all/{_name(claim)}\n{uuid}"


def _name(claim: Claim) -> str:
    """The same on every host; a lease of a document has no place but its names."""
    if claim.kind == "lease":
        return f"lease:{claim.lockspace}/{claim.key}"
    return f"{'network' if claim.kind == 'network' else 'file'}:{claim.path}"


def _range(key: str) -> dict[str, str]:
    """All keys that begin with *key*, whose last byte is a line's end."""
    return {"key": encoded(key), "range_end": encoded(f"{key[:-1]}\x0b")}


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def manager(driver: QemuDriver) -> EtcdManager:
    """The one of a driver.

    Raises:
        ConfSyntax: ``qemu-etcd.conf`` is malformed.
        SystemFailure: It cannot be read.
    """
    return EtcdManager(EtcdConfig.load(driver.directories.settings.with_name("qemu-etcd.conf")))
