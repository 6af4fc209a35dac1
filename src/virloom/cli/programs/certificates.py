# SPDX-License-Identifier: Apache-2.0
"""Certificates and keys in files, as openssl(1) reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from virloom.host.process import Completed, run

_PURPOSES = {"server": "sslserver", "client": "sslclient"}
_SECONDS = 20


class Certificate(NamedTuple):
    """A certificate in a file.

    Attributes:
        path: The file.
        name: The common name of its subject; empty where it has none.
        expired: Whether its time is over.
        key: The public key, as PEM.
    """

    path: Path
    name: str
    expired: bool
    key: bytes


class Openssl:
    """The program that reads them.

    Args:
        program: Its path.
    """

    def __init__(self, program: str) -> None:
        self._program = program

    async def certificate(self, path: Path) -> Certificate | None:
        """The certificate in a file; None where there is none."""
        shown = await self._run(
            "x509", "-in", str(path), "-noout", "-subject", "-nameopt", "RFC2253,utf8", "-pubkey"
        )
        if shown.returncode != 0:
            return None
        words = shown.stdout.decode(errors="replace")
        found = re.search(r"^subject=(?:.*,)?CN=((?:\\.|[^,\\\n])*)", words, re.MULTILINE)
        lasts = await self._run("x509", "-in", str(path), "-noout", "-checkend", "0")
        key = re.search(
            rb"-----BEGIN PUBLIC KEY-----.*-----END PUBLIC KEY-----", shown.stdout, re.S
        )
        name = re.sub(r"\\(.)", r"\1", found[1]) if found else ""
        return Certificate(path, name, lasts.returncode != 0, key[0] if key else b"")

    async def verified(self, one: Certificate, authority: Certificate, kind: str) -> str:
        """Why the authority's certificate does not vouch for one of a kind; empty where it does."""
        done = await self._run(
            "verify", "-purpose", _PURPOSES[kind], "-CAfile", str(authority.path),
            "-no-CApath", "-no-CAstore", str(one.path),
        )  # fmt: skip
        if done.returncode == 0:
            return ""
        words = (done.stdout + done.stderr).decode(errors="replace")
        found = re.search(r"^error \d+ at \d+ depth lookup: ?(.*)$", words, re.MULTILINE)
        return found[1] if found else words.strip()

    async def names(self, one: Certificate, host: str) -> bool:
        """Whether it is a certificate for *host*."""
        done = await self._run("x509", "-in", str(one.path), "-noout", "-checkhost", host)
        return b"does match" in done.stdout

    async def belongs(self, key: Path, one: Certificate) -> bool:
        """Whether the private key in a file is that of a certificate."""
        done = await self._run("pkey", "-in", str(key), "-pubout", "-passin", "pass:")
        return done.returncode == 0 and done.stdout.strip() == one.key

    async def _run(self, *words: str) -> Completed:
        return await run([self._program, *words], timeout=_SECONDS)
