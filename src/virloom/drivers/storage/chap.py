# SPDX-License-Identifier: Apache-2.0
"""Who logs in to an iSCSI target by CHAP (RFC 7143): the document's user, and its secret."""

from __future__ import annotations

from typing import NamedTuple

from virloom.drivers.runtime.secret_values import secret_value
from virloom.endpoint.areas import Areas
from virloom.enums.error import ErrorDomain
from virloom.enums.secret import SecretUsageType
from virloom.errors import XmlError
from virloom.model.storage import Pool
from virloom.model.storage.target import SecretReference


class Login(NamedTuple):
    """A user of a target."""

    name: str
    password: bytes


async def login_of(areas: Areas, model: Pool) -> Login | None:
    """Who logs in to the target of a pool; None where it asks for nobody.

    Args:
        areas: Where the secret comes from; it is kept nowhere.

    Raises:
        XmlError: It is to be known in another way than by CHAP.
        NoSecret: There is no such secret, or it has no value.
    """
    auth = model.source.auth if model.source is not None else None
    if auth is None:
        return None
    if auth.type != "chap":
        raise XmlError(
            f"{model.type} pool only supports 'chap' auth type", domain=ErrorDomain.STORAGE
        )
    secret = auth.secret or SecretReference()
    async with areas.opened("secret", trusted=True) as endpoint:
        password = await secret_value(
            endpoint, SecretUsageType.ISCSI, uuid=secret.uuid, usage=secret.usage
        )
    return Login(auth.username or "", password)
