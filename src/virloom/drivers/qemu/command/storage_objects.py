# SPDX-License-Identifier: Apache-2.0
"""Objects that storage nodes refer to: certificates, cookies, and helpers for reservations."""

from __future__ import annotations

import os.path

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.arguments import Props
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.credentials import tls_credentials
from virloom.drivers.qemu.devices.props.storage import cookie_secret_id, tls_object_id
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoSecret
from virloom.model.domain import Auth, DiskSource, Encryption, StorageSecret

#: The helper that libvirt runs for all disks of a guest together.
_HELPER = "pr-helper0"


def add_storage_objects(
    assembly: Assembly, layer: ImageLayer, node: str, disk_auth: Auth | None
) -> Props:
    """What the storage node *node* needs; returns what it has to say of it."""
    source = layer.source
    if source is None:
        return {}
    if source.tls and source.protocol == "nbd":
        assembly.args.object(tls_credentials(assembly.context, tls_object_id(node)))
    if source.cookies.cookies:
        text = "; ".join(f"{cookie.name}={cookie.value or ''}" for cookie in source.cookies.cookies)
        assembly.add_secret(cookie_secret_id(node), text.encode())
    auth = source.auth or disk_auth
    props = _reservations(assembly, source, node)
    if auth is not None:
        props.update(_authentication(assembly, source, auth, node))
    return props


def _authentication(assembly: Assembly, source: DiskSource, auth: Auth, node: str) -> Props:
    if source.protocol == "rbd":
        secret = f"{node}-auth-secret0"
        # What Ceph's base64 of the key stands for: QEMU encodes it.
        assembly.add_secret(secret, secret_value(assembly, auth.secret))
        ways = ["cephx", "none"]
        return {"user": auth.username, "auth-client-required": ways, "key-secret": secret}
    return password(assembly, auth, node)


def password(assembly: Assembly, auth: Auth, node: str) -> Props:
    """What a node says of who asks an iSCSI target.

    Raises:
        NoSecret: The password was not to be had.
    """
    secret = f"{node}-auth-secret0"
    assembly.add_secret(secret, secret_value(assembly, auth.secret))
    return {"user": auth.username, "password-secret": secret}


def add_encryption(
    assembly: Assembly, encryption: Encryption | None, form: str, node: str
) -> Props:
    """What the format node *node* says of its image's encryption.

    Raises:
        InternalError: It names no secret (libvirt's code for it).
    """
    if encryption is None or encryption.engine != "qemu":
        return {}
    if not encryption.secrets:
        raise InternalError(f"encryption of node '{node}' names no secret", domain=ErrorDomain.QEMU)
    assembly.add_secret(encryption_secret(node), secret_value(assembly, encryption.secrets[0]))
    return encrypted(form, node)


def encryption_secret(node: str) -> str:
    """QEMU's id of the secret that opens the image of a format node."""
    return f"{node}-encryption-secret0"


def encrypted(form: str, node: str) -> Props:
    """What the format node *node* of an encrypted image says of it, its secret being there."""
    secret = encryption_secret(node)
    if form == "raw":
        return {"driver": "luks", "key-secret": secret}
    return {"encrypt": {"format": "luks", "key-secret": secret}}


def secret_name(secret: StorageSecret) -> str:
    """The key of a secret's value among those of a guest."""
    return secret.uuid or f"{secret.type or ''}:{secret.usage or ''}"


def secret_value(assembly: Assembly, secret: StorageSecret) -> bytes:
    """The value of a secret that was looked up before.

    Raises:
        NoSecret: It was not to be had.
    """
    name = secret_name(secret)
    try:
        return assembly.context.secrets[name]
    except KeyError:
        raise NoSecret(
            f"secret '{name}' cannot be looked up here", domain=ErrorDomain.QEMU
        ) from None


def _reservations(assembly: Assembly, source: DiskSource, node: str) -> Props:
    wanted = source.reservations
    if wanted is None:
        return {}
    if wanted.managed:
        name, path = _HELPER, os.path.join(assembly.context.lib_dir, f"{_HELPER}.sock")
    else:
        name, path = f"pr-helper-{node}", wanted.source.path or ""
    if name not in assembly.helpers:
        assembly.helpers.add(name)
        assembly.args.object({"qom-type": "pr-manager-helper", "id": name, "path": path})
    return {"pr-manager": name}
