# SPDX-License-Identifier: Apache-2.0
"""Values of secrets, asked of whoever keeps them, for the programs of this process alone."""

from __future__ import annotations

from uuid import UUID

from virloom.endpoint.endpoint import Endpoint
from virloom.enums.secret import SecretUsageType


async def secret_value(
    endpoint: Endpoint, kind: SecretUsageType, *, uuid: str | None, usage: str | None
) -> bytes:
    """The value of a secret that a document names.

    Args:
        endpoint: Leads to the secret area; a trusted one gets private values as well.
        kind: What *usage* is of.
        uuid, usage: Its name; the UUID goes before the usage.

    Raises:
        NoSecret: There is none of that name, or it has no value.
    """
    from virloom.procedures import secret as p  # few guests and volumes have any

    if uuid is not None:
        by_uuid = p.SecretLookupByUUIDArgs(UUID(uuid).bytes)
        found = (await endpoint.call(p.SECRET_LOOKUP_BY_UUID, by_uuid)).secret
    else:
        by_use = p.SecretLookupByUsageArgs(int(kind), usage or "")
        found = (await endpoint.call(p.SECRET_LOOKUP_BY_USAGE, by_use)).secret
    args = p.SecretGetValueArgs(found, 0)
    return bytes((await endpoint.call(p.SECRET_GET_VALUE, args)).value)
