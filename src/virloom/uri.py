# SPDX-License-Identifier: Apache-2.0
"""libvirt's connection URIs: ``driver[+transport]://[user@][host][:port]/[path][?params]``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote, urlsplit

from virloom.errors import InvalidArg

#: How a remote driver is reached (``+transport`` of the scheme).
TRANSPORTS = ("unix", "tcp", "tls", "ssh", "libssh", "libssh2", "ext")

#: Transports that need no host, or ask for one.
_WITHOUT_HOST = ("unix", "ext")
_WITH_HOST = ("tcp", "tls", "ssh", "libssh", "libssh2")

#: Parameters that are for the client's side only; all others go on to the driver.
_CLIENT_PARAMETERS = frozenset(
    (
        "auth", "authfile", "command", "keyfile", "known_hosts", "known_hosts_verify", "mode",
        "name", "netcat", "no_sanity", "no_tty", "no_verify", "pkipath", "proxy", "socket",
        "sshauth", "tls_priority",
    )
)  # fmt: skip

_FORM = "DRIVER[+TRANSPORT]://[USER@][HOST][:PORT]/[PATH][?PARAMETERS]"


class ConnectURI:
    """A parsed connection URI.

    Attributes:
        scheme: The driver, such as ``qemu`` or ``test``.
        transport: What followed ``+`` in the scheme, or None.
        user, host, port: The authority; None where absent.
        path: Starts with ``/``, such as ``/system`` or ``/embed``; may be empty.
        params: The decoded query, in order; of a name given twice the last one counts.
    """

    __slots__ = ("host", "params", "path", "port", "scheme", "transport", "user")

    def __init__(
        self,
        scheme: str,
        *,
        transport: str | None = None,
        user: str | None = None,
        host: str | None = None,
        port: int | None = None,
        path: str = "",
        params: Mapping[str, str] | None = None,
    ) -> None:
        self.scheme = scheme
        self.transport = transport
        self.user = user
        self.host = host
        self.port = port
        self.path = path
        self.params = dict(params or {})

    @classmethod
    def parse(cls, text: str) -> ConnectURI:
        """Reads a URI.

        Raises:
            InvalidArg: It is malformed; the message says where.
        """
        if not text.isprintable() or " " in text:
            raise _malformed(
                text, "it holds a space or a control character; write %20 and the like"
            )
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as exc:
            raise _malformed(text, str(exc)) from exc
        if not parts.scheme or not text.lower().startswith(f"{parts.scheme}:/"):
            raise _malformed(text, "there is no DRIVER:// at its beginning")
        if parts.fragment:
            raise _malformed(text, "'#' has no meaning here; write %23 for the character")
        scheme, transport = _scheme(text, parts.scheme)
        parsed = cls(
            scheme,
            transport=transport,
            user=_decoded(text, parts.username),
            host=_host(parts),
            port=port,
            path=_decoded(text, parts.path) or "",
            params=_parameters(text, parts.query),
        )
        _check_authority(text, parsed)
        return parsed

    @classmethod
    def default(cls) -> ConnectURI:
        """What ``LIBVIRT_DEFAULT_URI`` of the environment names.

        Raises:
            InvalidArg: It is unset, empty or malformed.
        """
        text = os.environ.get("LIBVIRT_DEFAULT_URI")
        if not text:
            raise InvalidArg(
                "no connection URI was given",
                remedy="give one, such as 'qemu:///embed?root=DIR', or set LIBVIRT_DEFAULT_URI",
            )
        return cls.parse(text)

    @property
    def is_remote(self) -> bool:
        """Whether the URI names a transport or another host."""
        return self.transport is not None or self.host is not None

    def without_transport(self) -> ConnectURI:
        """What the driver's own side gets: neither transport nor authority nor their parameters.

        ``name=`` of a remote URI says it in so many words.

        Raises:
            InvalidArg: That one is malformed.
        """
        if self.is_remote and (name := self.params.get("name")):
            return ConnectURI.parse(name)
        kept = {k: v for k, v in self.params.items() if k not in _CLIENT_PARAMETERS}
        if not self.is_remote and len(kept) == len(self.params):
            return self
        return ConnectURI(self.scheme, path=self.path, params=kept)

    def __str__(self) -> str:
        scheme = f"{self.scheme}+{self.transport}" if self.transport else self.scheme
        host = self.host or ""
        host = f"[{host}]" if ":" in host else host
        user = f"{quote(self.user, safe='')}@" if self.user is not None else ""
        port = f":{self.port}" if self.port is not None else ""
        query = "&".join(
            f"{quote(k, safe='')}={quote(v, safe='/')}" for k, v in self.params.items()
        )
        return f"{scheme}://{user}{host}{port}{quote(self.path)}{'?' if query else ''}{query}"

    def __repr__(self) -> str:
        return f"ConnectURI.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConnectURI) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def _malformed(text: str, why: str) -> InvalidArg:
    return InvalidArg(
        f"cannot read the connection URI '{text}': {why}", remedy=f"its form is {_FORM}"
    )


def _scheme(text: str, scheme: str) -> tuple[str, str | None]:
    driver, plus, transport = scheme.partition("+")
    if not plus:
        return driver, None
    if not driver or transport not in TRANSPORTS:
        raise _malformed(text, f"'{transport}' is not one of {', '.join(TRANSPORTS)}")
    return driver, transport


def _host(parts: SplitResult) -> str | None:
    return parts.hostname or None


def _check_authority(text: str, uri: ConnectURI) -> None:
    if uri.host is None and (uri.user is not None or uri.port is not None):
        raise _malformed(text, "there is a user or a port, and no host")
    if uri.host is None and uri.transport in _WITH_HOST:
        raise _malformed(text, f"the transport '{uri.transport}' needs a host")
    if uri.host is not None and uri.transport in _WITHOUT_HOST:
        raise _malformed(text, f"the transport '{uri.transport}' takes no host ('{uri.host}')")


def _decoded(text: str, part: str | None) -> str | None:
    if part is None:
        return None
    try:
        decoded = unquote(part, errors="strict")
    except UnicodeDecodeError as exc:
        raise _malformed(text, f"'{part}' is not UTF-8 once decoded") from exc
    if "\0" in decoded:
        raise _malformed(text, "%00 cannot be part of it")
    return decoded


def _parameters(text: str, query: str) -> dict[str, str]:
    """The query, split at ``&`` or ``;`` as libvirt does; ``+`` stands for itself."""
    found: dict[str, str] = {}
    for item in query.replace(";", "&").split("&"):
        name, _, value = item.partition("=")
        if not item:
            continue
        if not name:
            raise _malformed(text, f"the parameter '{item}' has no name")
        found[_decoded(text, name) or ""] = _decoded(text, value) or ""
    return found
