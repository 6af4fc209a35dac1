# SPDX-License-Identifier: Apache-2.0
"""What the daemons that serve other daemons have alike: virtlogd, virtlockd.

What they hold for guests must not be lost, so they are renewed in place.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import NoReturn

from virloom.daemon.config import DaemonConfig
from virloom.daemon.limits import Limits
from virloom.daemon.places import Places
from virloom.daemon.service import Service
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.host.files import ensure_directory, remove_temporaries
from virloom.host.lock import RootLock, lock_directory


class LastingConfig(DaemonConfig):
    """Their configuration: nobody authenticates, so all clients may be strangers, as in libvirt."""

    def __init__(self) -> None:
        super().__init__()
        self.max_clients = 1024

    def limits(self) -> Limits:
        return super().limits()._replace(anonymous=self.max_clients)


class LastingService(Service):
    """A program of its own, without URIs."""

    handshake = False

    def check_uri(self, uri: str) -> NoReturn:
        raise InternalError(f"nothing is opened by '{uri}' here", domain=ErrorDomain.RPC)

    def reload(self) -> None:
        """Its configuration is read again by the process after SIGUSR1."""


def take_directory(places: Places, name: str, domain: ErrorDomain) -> tuple[Path, RootLock]:
    """The daemon's own directory, and the lock of its one owner.

    As many descriptors as the host allows may be open from then on: there is one for each guest.

    Raises:
        OperationFailed: Another one has it.
        SystemFailure: It cannot be made.
    """
    directory = places.run / name
    ensure_directory(directory, 0o700)
    lock = lock_directory(directory, f"another {name} is there already", domain)
    remove_temporaries(directory)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return directory, lock
