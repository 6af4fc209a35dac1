# SPDX-License-Identifier: Apache-2.0
"""``qemu-etcd.conf``: where etcd is, and how long leases last. A file of ours; libvirt has none."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from virloom.drivers.runtime.settings import read_settings
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax

#: Seconds that a lease may last; less leaves no time to stop a guest, more keeps its disks for long
#: after its host has gone.
_SHORTEST, _LONGEST = 10, 3600


class EtcdConfig:
    """What the file says.

    Attributes:
        endpoints: URLs of the members of the cluster.
        ttl: Seconds after which a lease ends that is not renewed, 10 to 3600: longer than the
            driver's restart takes.
        prefix: What keys begin with. Hosts that share disks must have the same.
        host: What this host calls itself in messages to others; its name, if nothing is said.
        ca_file: Who has signed the members' certificates; empty: those whom the system trusts.
        cert_file, key_file: What this host shows them.
        user, password: As whom it speaks; empty: etcd asks nobody.
    """

    def __init__(self) -> None:
        self.endpoints = ["http://127.0.0.1:2379"]
        self.prefix = "/virloom/leases/"
        self.ttl = 60
        self.host = socket.gethostname()
        self.ca_file = ""
        self.cert_file = ""
        self.key_file = ""
        self.user = ""
        self.password = ""

    @classmethod
    def load(cls, path: Path) -> EtcdConfig:
        """The configuration in *path*; the defaults where there is no such file.

        Raises:
            ConfSyntax: It is malformed, has a key that nobody knows, or a value is wrong.
            SystemFailure: It cannot be read.
        """
        config = cls()
        for name, value in read_settings(path).items():
            wanted = config._wanted(name, value)
            if wanted:
                raise ConfSyntax(
                    f"{os.fspath(path)}: {name} must be {wanted}, not {value!r}",
                    domain=ErrorDomain.CONF,
                )
            setattr(config, name, value)
        if bool(config.cert_file) != bool(config.key_file):
            raise ConfSyntax(
                f"{os.fspath(path)}: cert_file and key_file go together", domain=ErrorDomain.CONF
            )
        return config

    def _wanted(self, name: str, value: Any) -> str:
        """What a value has to be that is wrong; empty for one that is right."""
        if name == "endpoints":
            right = isinstance(value, list) and value and all(map(_is_url, value))
            return "" if right else "a list of URLs (http or https, without a path)"
        if name == "ttl":
            right = isinstance(value, int) and _SHORTEST <= value <= _LONGEST
            return "" if right else f"a number of seconds from {_SHORTEST} to {_LONGEST}"
        if name not in vars(self):
            return "left out, for nobody knows it"
        return "" if isinstance(value, str) and (value or name != "prefix") else "a string"


def _is_url(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/")
