# SPDX-License-Identifier: Apache-2.0
"""Secrets, and their values."""

from __future__ import annotations

import base64
import string
import sys

from virloom.cli.shell import finding
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.deeds import Words, deed, maker, printer
from virloom.cli.shell.documents import read_bytes
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.listing import listing
from virloom.cli.shell.output import PlainOutput
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.terminal import quiet_mode
from virloom.client.secret import Secret
from virloom.enums.secret import ConnectListAllSecretsFlags, SecretUsageType
from virloom.errors import InvalidArg

maker(
    "secret-define",
    lambda connection, text, flags: connection.secrets.define_xml(text, flags),
    lambda secret: secret.uuid,
    Words(
        "Define a secret, or change one, by a document in a file.",
        "Secret {0} created",
        "Failed to set attributes from {}",
    ),
)
deed(
    "secret-undefine",
    finding.secret,
    lambda secret, arguments: secret.undefine(),
    Words("Forget a secret, value and all.", "Secret {} deleted", "Failed to delete secret {}"),
)
printer(
    "secret-dumpxml",
    finding.secret,
    lambda secret, arguments: secret.xml_desc(),
    "Print a secret's document, which is never its value.",
)


@command("secret-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List the secrets."""
    flags = arguments.flags(
        {
            "ephemeral": ConnectListAllSecretsFlags.EPHEMERAL,
            "no-ephemeral": ConnectListAllSecretsFlags.NO_EPHEMERAL,
            "private": ConnectListAllSecretsFlags.PRIVATE,
            "no-private": ConnectListAllSecretsFlags.NO_PRIVATE,
        }
    )
    connection = await session.connection()
    counting = ("Failed to count secrets", "virConnectNumOfSecrets")
    with listing("Failed to list secrets", *counting, filtered=bool(flags)):
        found = await connection.secrets.list(flags)
    found.sort(key=lambda secret: str(secret.uuid))
    session.output.table(["UUID", "Usage"], [[str(one.uuid), _usage(one)] for one in found])


def _usage(secret: Secret) -> str:
    if not secret.usage_type:
        return "Unused"
    kind = secret.usage_type
    return f"{kind.name.lower() if isinstance(kind, SecretUsageType) else kind} {secret.usage_id}"


@command("secret-get-value")
async def get_value(session: Session, arguments: Arguments) -> None:
    """Print a secret's value, in base64 unless plain."""
    secret, _ = await finding.secret(session, arguments)
    value = await secret.value()
    shown = value if "plain" in arguments else base64.b64encode(value)
    if isinstance(session.output, PlainOutput):
        # It may be no text at all.
        sys.stdout.flush()
        sys.stdout.buffer.write(shown)
        sys.stdout.buffer.flush()
    else:
        session.output.value("value", shown.decode(errors="backslashreplace"))


@command("secret-set-value")
async def set_value(session: Session, arguments: Arguments) -> None:
    """Give a secret its value, from a file or by typing it."""
    for one, other in _EXCLUSIVE:
        arguments.exclusive(one, other)
    secret, _ = await finding.secret(session, arguments)
    value = _value(session, arguments)
    with failing("Failed to set secret value"):
        if not value:
            raise InvalidArg.worded("value in virSecretSetValue must not be NULL")
        await secret.set_value(value)
    session.output.note("Secret value set")


_EXCLUSIVE = (
    ("file", "base64"),
    ("plain", "base64"),
    ("interactive", "base64"),
    ("interactive", "plain"),
    ("interactive", "file"),
)


def _value(session: Session, arguments: Arguments) -> bytes:
    given = arguments.get("base64")
    if given is not None:
        # Every user of the host can read it in the list of processes.
        session.complain("Passing secret value as command-line argument is insecure!")
        return decoded(given.encode())
    path = arguments.get("file")
    if path is not None:
        content = read_bytes(path)
        return content if "plain" in arguments else decoded(content)
    if "interactive" not in arguments:
        raise CommandFailed("Input secret value is missing")
    sys.stdout.write("Enter new value for secret:")
    sys.stdout.flush()
    with quiet_mode(sys.stdin.fileno()):
        line = sys.stdin.buffer.readline()
    if sys.stdin.isatty():
        sys.stdout.write("\n")
    return line.rstrip(b"\n")


_ALPHABET = (string.ascii_letters + string.digits + "+/=").encode()


def decoded(text: bytes) -> bytes:
    """What base64 stands for, as leniently as virsh takes it.

    Other characters are passed over, and so is what is no whole group of four at the end.
    """
    letters = bytes(byte for byte in text if byte in _ALPHABET)
    groups = (letters[at : at + 4] for at in range(0, len(letters) // 4 * 4, 4))
    return b"".join(map(_group, groups))


def _group(letters: bytes) -> bytes:
    padding = min(2, len(letters) - len(letters.rstrip(b"=")))
    return base64.b64decode(letters.replace(b"=", b"A"))[: 3 - padding]
