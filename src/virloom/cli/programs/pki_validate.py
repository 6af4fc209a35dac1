# SPDX-License-Identifier: Apache-2.0
"""``virt-pki-validate``: whether this host's certificates let it be a TLS server or client.

Exit codes: 0 what is there can be used, though a server's or a client's part may not be there;
1 there is no authority's certificate or no place for them, something does not fit, or the command
line is wrong. libvirt's program answers 0 as well where a certificate is none of the authority's,
has expired, or has another key: here that is 1.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from virloom.cli.programs.arguments import VERSION, ProgramParser
from virloom.cli.programs.certificates import Certificate, Openssl
from virloom.cli.reader import may_be_left
from virloom.errors import VirloomError

_NAME = "virt-pki-validate"
_DIRECTORIES = ("etc/pki", "etc/pki/CA", "etc/pki/libvirt", "etc/pki/libvirt/private")


@may_be_left
def main(argv: Sequence[str] | None = None) -> int:
    """The program."""
    options = _parser().parse_args(argv)
    program = shutil.which("openssl")
    if program is None:
        print("'openssl' is not installed: certificates cannot be read", file=sys.stderr)
        return 1
    check = PkiCheck(Path(options.root), Openssl(program))
    try:
        return 0 if asyncio.run(check.run()) else 1
    except VirloomError as error:
        print(f"{_NAME}: {error.message}", file=sys.stderr)
        return 1


def _parser() -> ProgramParser:
    parser = ProgramParser(
        _NAME,
        "Checks the certificates of this host, as a TLS server and as a client.",
        (f"{_NAME} (libvirt) {VERSION}", "-V"),
    )
    parser.add_argument("--root", metavar="DIR", default="/", help="use DIR/etc/pki")
    return parser


class PkiCheck:
    """Looks at what is below one root, and tells what is found, a line each."""

    def __init__(self, root: Path, openssl: Openssl, host: str | None = None) -> None:
        self._root = root
        self._openssl = openssl
        self._host = host or socket.getfqdn()
        self._good = True

    async def run(self) -> bool:
        """Whether all that is there can be used."""
        for name in _DIRECTORIES:
            if not (self._root / name).is_dir():
                self._say(f"Missing directory {self._root / name}")
                self._say(f"as root do: install -d -m 755 {self._root / name}")
                return False
        authority = await self._authority()
        if authority is None:
            return False
        for kind in ("client", "server"):
            await self._end(kind, authority)
        return self._good

    async def _authority(self) -> Certificate | None:
        path = self._root / "etc/pki/CA/cacert.pem"
        if not path.is_file():
            self._say(f"Missing CA certificate {path}")
            return None
        found = await self._openssl.certificate(path)
        if found is None:
            self._say(f"The CA certificate {path} is no certificate")
            return None
        self._say(f"Found CA certificate {path} for {found.name}")
        self._readable(path, "CA certificate")
        if found.expired:
            self._fault(f"The CA certificate {path} has expired")
        return found

    async def _end(self, kind: str, authority: Certificate) -> None:
        path = self._root / f"etc/pki/libvirt/{kind}cert.pem"
        key = self._root / f"etc/pki/libvirt/private/{kind}key.pem"
        if not path.is_file():
            self._say(f"Did not find {path} {kind} certificate")
            self._say(f"The machine cannot act as a {kind}")
            return
        found = await self._openssl.certificate(path)
        self._say(f"Found {kind} certificate {path} for {found.name if found else ''}")
        if found is None:
            self._fault(f"The {kind} certificate {path} is no certificate")
        else:
            await self._certificate(kind, found, authority)
        await self._key(kind, key, found)

    async def _certificate(self, kind: str, found: Certificate, authority: Certificate) -> None:
        self._readable(found.path, f"{kind} certificate")
        if found.expired:
            self._fault(f"The {kind} certificate {found.path} has expired")
        refused = await self._openssl.verified(found, authority, kind)
        if refused:
            self._fault(f"The {kind} certificate is not one of {authority.path}: {refused}")
        if kind == "server" and not await self._openssl.names(found, self._host):
            self._say(f"The server certificate does not name this host, '{self._host}'")

    async def _key(self, kind: str, path: Path, certificate: Certificate | None) -> None:
        if not self._found_key(kind, path):
            return
        if certificate and not await self._openssl.belongs(path, certificate):
            self._fault(f"The {kind} private key {path} is not that of {certificate.path}")

    def _found_key(self, kind: str, path: Path) -> bool:
        """Whether there is a private key that we can read; its rights are judged."""
        if not path.exists():
            self._say(f"Missing {kind} private key {path}")
            return False
        self._say(f"Found {kind} private key {path}")
        mode = path.stat().st_mode & 0o777
        if kind == "server" and mode & 0o077:
            self._say(f"The server private key can be read by others: chmod 600 {path}")
        if kind == "client" and mode & 0o022:
            self._say(f"The client private key can be changed by others: chmod go-w {path}")
        readable = os.access(path, os.R_OK)
        if not readable:
            self._say(f"The {kind} private key cannot be read by this user")
        return readable

    def _readable(self, path: Path, what: str) -> None:
        if not path.stat().st_mode & 0o004:
            self._say(f"The {what} cannot be read by all: chmod 644 {path}")

    def _fault(self, words: str) -> None:
        self._good = False
        self._say(words)

    def _say(self, words: str) -> None:
        print(words)


if __name__ == "__main__":
    sys.exit(main())
