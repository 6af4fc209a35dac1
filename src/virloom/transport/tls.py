# SPDX-License-Identifier: Apache-2.0
"""TLS over TCP by the standard library, with certificates where libvirt has them."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import SystemFailure, VirloomError, system_failure
from virloom.transport.base import OnClosed, OnData, OnPressure, PeerIdentity, Transport
from virloom.transport.tcp import connect_tcp

#: The byte with which a daemon says, encrypted, that it takes our certificate.
_WELCOME = b"\1"

#: Names of attributes as certificates are shown (RFC 4514, section 3); the library spells them out.
_SHORT = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}

#: Seconds for the handshake and that byte.
HANDSHAKE_TIME = 30.0

#: Bytes that one look at the decrypted data asks for.
_READ_SIZE = 65536


class TlsFiles(NamedTuple):
    """A client's certificates; the client's own pair is optional."""

    authority: Path
    certificate: Path | None
    key: Path | None

    @classmethod
    def find(cls, directory: str | None = None, *, home: Path | None = None) -> TlsFiles:
        """Those of *directory* (``pkipath``), else the user's, else the host's.

        As libvirt does, root has the host's only, and a user's own count where they are there.

        Args:
            directory: Holds cacert.pem, clientcert.pem and clientkey.pem.
            home: The home directory of a user who is not root; by default one's own.

        Raises:
            SystemFailure: There is no certificate of an authority.
        """
        if directory is not None:
            return cls._in(Path(directory))
        if home is None and os.geteuid() != 0:
            home = Path.home()
        if home is not None and (home / ".pki/libvirt/cacert.pem").exists():
            return cls._in(home / ".pki/libvirt")
        pki = Path("/etc/pki")
        own = pki / "libvirt"
        return cls._checked(
            pki / "CA/cacert.pem", own / "clientcert.pem", own / "private/clientkey.pem"
        )

    @classmethod
    def _in(cls, folder: Path) -> TlsFiles:
        names = ("cacert.pem", "clientcert.pem", "clientkey.pem")
        return cls._checked(*(folder / name for name in names))

    @classmethod
    def _checked(cls, authority: Path, certificate: Path, key: Path) -> TlsFiles:
        if not os.access(authority, os.R_OK):
            raise SystemFailure(
                f"cannot read the CA certificate '{authority}'",
                domain=ErrorDomain.RPC,
                remedy="put it there, or name its directory by 'pkipath='",
            )
        pair = os.access(certificate, os.R_OK) and os.access(key, os.R_OK)
        return cls(authority, certificate if pair else None, key if pair else None)


def client_context(files: TlsFiles, *, verify: bool = True) -> ssl.SSLContext:
    """What a client asks of the server: a certificate of the authority, for that name.

    Raises:
        SystemFailure: A file does not hold what it should.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        context.load_verify_locations(files.authority)
        if files.certificate is not None:
            context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as exc:
        doing = f"cannot use the certificates beside '{files.authority}'"
        raise SystemFailure(f"{doing}: {exc}", domain=ErrorDomain.RPC) from exc
    return context


def server_context(
    authority: Path,
    certificate: Path,
    key: Path,
    *,
    revoked: Path | None = None,
    verify: bool = True,
) -> ssl.SSLContext:
    """What a daemon asks of its clients: a certificate of the authority.

    Args:
        revoked: A list of certificates that the authority takes back.
        verify: Ask clients for a certificate at all.

    Raises:
        SystemFailure: A file is not there, or does not hold what it should.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # libvirt's client takes one for the byte that it waits for, and fails
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)
        if revoked is not None:
            context.load_verify_locations(revoked)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except (OSError, ssl.SSLError) as exc:
        names = ", ".join(f"'{path}'" for path in (authority, certificate, key))
        raise SystemFailure(
            f"cannot use the certificates {names}: {exc}", domain=ErrorDomain.RPC
        ) from exc
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    return context


class TlsTransport(Transport):
    """TLS over another transport, which it owns.

    Args:
        inner: Carries the encrypted bytes.
        context: Our certificates, and what is asked of the peer's.
        host: The other end's name, for errors; a client also checks it.
        server: We are the daemon.
        allows: Of a daemon: whether a client with this distinguished name may come in.
    """

    def __init__(
        self,
        inner: Transport,
        context: ssl.SSLContext,
        host: str,
        *,
        server: bool = False,
        allows: Callable[[str | None], bool] | None = None,
    ) -> None:
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server,
            server_hostname=None if server else host,
        )
        self._server = server
        self._allows = allows
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._shaken = False
        self._on_data: OnData | None = None
        self._on_closed: OnClosed | None = None
        self._on_pressure: OnPressure | None = None
        self._plain = b""  # came before somebody wanted it
        self._over = False
        self._reason: Exception | None = None

    async def handshake(self) -> None:
        """Agrees with the server, and waits until it has taken our certificate.

        Raises:
            SystemFailure: They do not trust each other, or the server is none of libvirt's.
        """
        self._inner.start(self._received, self._inner_closed, self._pressure)
        self._pump()
        try:
            async with asyncio.timeout(HANDSHAKE_TIME):
                await self._ready
        except TimeoutError as exc:
            raise self._refused("no answer to the TLS handshake") from exc
        finally:
            if not self._ready.done() or self._ready.cancelled() or self._ready.exception():
                self.abort()

    def start(
        self, on_data: OnData, on_closed: OnClosed, on_pressure: OnPressure | None = None
    ) -> None:
        self._on_data, self._on_closed, self._on_pressure = on_data, on_closed, on_pressure
        if self._plain or self._over:
            self._loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        plain, self._plain = self._plain, b""
        if plain and self._on_data is not None:
            self._on_data(plain, ())
        if self._over:
            self._tell_closed()

    def _received(self, data: bytes, fds: Sequence[int]) -> None:
        self._incoming.write(data)
        try:
            self._pump()
        except ssl.SSLError as exc:
            self._flush()  # the alert that says why
            failure = self._refused(str(exc))
            if not self._ready.done():
                self._ready.set_exception(failure)
            else:
                self._inner.abort(failure)

    def _pump(self) -> None:
        """Moves what can be moved: the handshake, then what was decrypted."""
        if not self._shaken:
            try:
                self._tls.do_handshake()
                self._shaken = True
                if self._server:
                    self._welcome()
            except ssl.SSLWantReadError:
                self._flush()
                return
        parts = []
        try:
            while part := self._tls.read(_READ_SIZE):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._loop.call_soon(self._inner.abort)  # the peer has said that it leaves
        self._flush()
        if plain := b"".join(parts):
            self._decrypted(plain)

    def _welcome(self) -> None:
        """A daemon tells its client that it takes the certificate."""
        name = self.certificate
        if self._allows is not None and not self._allows(name):
            self._ready.set_exception(self._refused(f"certificate '{name}' is not allowed"))
            return
        self._tls.write(_WELCOME)
        self._ready.set_result(None)

    @property
    def certificate(self) -> str | None:
        """The distinguished name of the peer's certificate, ``C=…,O=…,CN=…``; None without one."""
        found = self._tls.getpeercert()
        if not found:
            return None
        parts: Any = found.get("subject", ())
        pairs = [(_SHORT.get(name, name), value) for part in parts for name, value in part]
        return ",".join(f"{name}={value}" for name, value in pairs)

    def _decrypted(self, plain: bytes) -> None:
        if not self._ready.done():
            if plain[:1] != _WELCOME:
                self._ready.set_exception(self._refused("the daemon refused our certificate"))
                return
            self._ready.set_result(None)
            plain = plain[1:]
        if not plain:
            return
        if self._on_data is None:
            self._plain += plain
        else:
            self._on_data(plain, ())

    def _flush(self) -> None:
        if self._outgoing.pending and not self._inner.closed:
            self._inner.send(self._outgoing.read())

    def _inner_closed(self, error: Exception | None) -> None:
        self._over, self._reason = True, error
        if not self._ready.done():
            why = "the daemon ended the TLS handshake"
            failure = system_failure(why, error) if isinstance(error, OSError) else None
            self._ready.set_exception(failure or self._refused(why))
        self._tell_closed()

    def _tell_closed(self) -> None:
        told, self._on_closed = self._on_closed, None
        if told is not None:
            told(self._reason)

    def _refused(self, why: str) -> VirloomError:
        return SystemFailure(f"TLS with '{self._host}': {why}", domain=ErrorDomain.RPC)

    def _pressure(self, pressed: bool) -> None:
        if self._on_pressure is not None:
            self._on_pressure(pressed)

    def send(self, data: bytes, fds: Sequence[int] = ()) -> bool:
        if fds:
            raise ValueError("descriptors travel over UNIX sockets only")
        self._tls.write(data)
        self._flush()
        return False

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    @property
    def unsent(self) -> int:
        return self._inner.unsent

    @property
    def carries_fds(self) -> bool:
        return False

    @property
    def encrypted(self) -> bool:
        return True

    @property
    def peer(self) -> PeerIdentity:
        return self._inner.peer._replace(certificate=self.certificate)

    @property
    def closed(self) -> bool:
        return self._inner.closed

    def close(self) -> None:
        self._inner.close()

    def abort(self, error: Exception | None = None) -> None:
        self._inner.abort(error)


async def connect_tls(
    host: str, port: int, files: TlsFiles, *, verify: bool = True
) -> TlsTransport:
    """Connects, and agrees on TLS.

    Args:
        verify: Ask for a certificate of the authority that is for *host*.

    Raises:
        OSError: Nobody listens there.
        SystemFailure: The certificates do not fit, here or there.
    """
    context = client_context(files, verify=verify)
    transport = TlsTransport(await connect_tcp(host, port), context, host)
    await transport.handshake()
    return transport
