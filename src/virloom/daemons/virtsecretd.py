# SPDX-License-Identifier: Apache-2.0
"""``virtsecretd``: the daemon of secrets."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.daemon.token import SystemToken
from virloom.drivers.secret.driver import SecretDirectories, SecretDriver
from virloom.drivers.secret.handlers import dispatcher
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoConnect
from virloom.uri import ConnectURI


class SecretService(Service):
    """The secret driver, served."""

    programs = frozenset((0x20008086,))

    def __init__(self, driver: SecretDriver, path: str, token: SystemToken) -> None:
        self.token = token
        self._driver = driver
        self._dispatcher = dispatcher(driver)
        self._path = path

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        parsed = ConnectURI.parse(uri)
        if parsed.scheme != "secret":
            raise NoConnect(uri)
        if parsed.path != self._path:
            raise InternalError(
                f"unexpected secret URI path '{parsed.path}', try secret://{self._path}",
                domain=ErrorDomain.SECRET,
            )

    def busy(self) -> bool:
        """An ephemeral secret would be gone with the daemon."""
        return any(entry.model.ephemeral for entry in self._driver.all())

    def reload(self) -> None:
        """Takes in documents that somebody put there; those of known secrets are left alone."""
        self._driver.reload()

    async def close(self) -> None:
        await self._driver.close()


def open_driver(places: Places) -> SecretDriver:
    """Opens the secret driver of the host, or of one user.

    Raises:
        VirloomError: As :class:`SecretDriver`.
    """
    path = "/session" if places.session else "/system"
    directories = SecretDirectories(
        places.settings / "secrets", places.run / "secrets", places.settings / "secret.conf"
    )
    return SecretDriver(directories, f"secret://{path}")


async def _open(places: Places) -> Service:
    path = "/session" if places.session else "/system"
    return SecretService(open_driver(places), path, SystemToken(places.run))


SPEC = DaemonSpec("virtsecretd", "Virloom secret daemon", _open)


def main() -> int:
    """The program."""
    return run(SPEC)
