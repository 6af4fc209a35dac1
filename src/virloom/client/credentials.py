# SPDX-License-Identifier: Apache-2.0
"""Credentials for daemons that ask for some: libvirt's ``auth.conf``, and a callback.

The file has groups: ``[credentials-NAME]`` with ``username``, ``authname``, ``password`` and
``realm``, and ``[auth-SERVICE-HOST]``, or ``[auth-SERVICE-default]``, which name one of those.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import AuthCancelled, AuthFailed, ConfSyntax, SystemFailure, system_failure
from virloom.uri import ConnectURI

#: The service of libvirt's own daemons in group names.
SERVICE = "libvirt"


class Wanted(NamedTuple):
    """One credential that is asked for.

    Attributes:
        kind: libvirt's number of it (virConnectCredentialType).
        name: Its key in the file.
        prompt: What to show to a person.
        challenge: What a program would go by: the host's name.
        default: The answer for an empty one.
    """

    kind: int
    name: str
    prompt: str
    challenge: str = ""
    default: str | None = None


#: Answers what the file does not: a text per credential, or None for "I will not".
Callback = Callable[[Sequence[Wanted]], "Sequence[str] | None"]


class Credentials:
    """Where credentials come from: the file first, and the callback for what it lacks."""

    def __init__(self, file: Path | None, callback: Callback | None = None) -> None:
        self._groups = read_groups(file) if file is not None else {}
        self._file = file
        self._callback = callback

    @classmethod
    def of(cls, uri: ConnectURI, callback: Callback | None = None) -> Credentials:
        """Those for the host of *uri*.

        Raises:
            ConfSyntax: The file is malformed.
            SystemFailure: ``authfile=`` or ``LIBVIRT_AUTH_FILE`` names one that is not there.
        """
        return cls(find_file(uri), callback)

    def lookup(self, service: str, host: str, name: str) -> str | None:
        """What the file has.

        Raises:
            ConfSyntax: A group lacks its ``credentials``, or names some that are not there.
        """
        group = f"auth-{service}-{host}"
        if group not in self._groups:
            group = f"auth-{service}-default"
        if group not in self._groups:
            return None
        named = self._groups[group].get("credentials")
        if named is None:
            raise self._wrong(f"Missing item 'credentials' in group '{group}'")
        found = self._groups.get(f"credentials-{named}")
        if found is None:
            raise self._wrong(
                f"Missing group 'credentials-{named}' referenced from group '{group}'"
            )
        return found.get(name)

    def ask(self, host: str, wanted: Sequence[Wanted], service: str = SERVICE) -> dict[str, str]:
        """A value per wanted credential, by name.

        Raises:
            AuthFailed: The file lacks one, and there is nobody to ask.
            AuthCancelled: Whoever was asked will not say.
        """
        known = {one.name: self.lookup(service, host, one.name) for one in wanted}
        missing = [one for one in wanted if known[one.name] is None]
        if missing:
            known |= self._asked(missing)
        return {name: value for name, value in known.items() if value is not None}

    def _asked(self, missing: Sequence[Wanted]) -> dict[str, str | None]:
        if self._callback is None:
            raise AuthFailed(
                f"nobody says the {' and '.join(one.name for one in missing)}",
                remedy="give it in auth.conf, or open the connection with a callback",
            )
        answers = self._callback(missing)
        if answers is None:
            raise AuthCancelled("the authentication was given up")
        if len(answers) != len(missing):
            raise AuthFailed(f"{len(missing)} credentials were asked for, {len(answers)} came")
        return {
            one.name: answer or one.default or ""
            for one, answer in zip(missing, answers, strict=True)
        }

    def _wrong(self, what: str) -> ConfSyntax:
        return ConfSyntax(f"{what} in '{self._file}'", domain=ErrorDomain.AUTH)


def find_file(uri: ConnectURI) -> Path | None:
    """The file for *uri*: its own ``authfile=``, ``LIBVIRT_AUTH_FILE``, the user's, the host's.

    Raises:
        SystemFailure: One that was named is not there.
    """
    named = uri.params.get("authfile") or os.environ.get("LIBVIRT_AUTH_FILE")
    if named:
        if not os.path.exists(named):
            missing = FileNotFoundError(2, os.strerror(2), named)
            raise _unreadable(Path(named), missing)
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for place in (Path(home) / "libvirt" / "auth.conf", Path("/etc/libvirt/auth.conf")):
        if place.exists():
            return place
    return None


def read_groups(file: Path) -> dict[str, dict[str, str]]:
    """The groups of a key file; of a group given twice the entries are joined.

    Raises:
        ConfSyntax: It is malformed; the message says where.
        SystemFailure: It cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as exc:
        raise _unreadable(file, exc) from exc
    except UnicodeDecodeError as exc:
        raise ConfSyntax(f"{file}: {exc}", domain=ErrorDomain.CONF) from exc
    groups: dict[str, dict[str, str]] = {}
    group: dict[str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("[") and line.endswith("]") and len(line) > 2:
            group = groups.setdefault(line[1:-1], {})
            continue
        key, sign, value = line.partition("=")
        if not sign or not key.strip() or group is None:
            raise ConfSyntax(
                f"{file}:{number}: expected '[GROUP]' or 'KEY=VALUE' within one, not '{line}'",
                domain=ErrorDomain.CONF,
            )
        group[key.strip()] = value.strip()
    return groups


def _unreadable(file: Path, error: OSError) -> SystemFailure:
    return system_failure(f"cannot read '{file}'", error, domain=ErrorDomain.AUTH)
