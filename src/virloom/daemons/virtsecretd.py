# SPDX-License-Identifier: Apache-2.0
"""``virtsecretd``: the daemon of secrets."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.area import AreaService
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.rights import FILES, Rights
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.daemon.token import SystemToken
from virloom.drivers.secret.driver import SecretDirectories, SecretDriver
from virloom.drivers.secret.handlers import dispatcher
from virloom.enums.error import ErrorDomain


class SecretService(AreaService):
    """The secret driver, served."""

    def __init__(self, driver: SecretDriver, token: SystemToken) -> None:
        super().__init__(dispatcher(driver), driver.uri, ErrorDomain.SECRET)
        self._driver = driver
        self.token = token

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
    directories = SecretDirectories(
        places.settings / "secrets", places.run / "secrets", places.settings / "secret.conf"
    )
    return SecretDriver(directories, f"secret://{places.uri_path}")


async def _open(places: Places) -> Service:
    return SecretService(open_driver(places), SystemToken(places.run))


SPEC = DaemonSpec("virtsecretd", "Virloom secret daemon", _open, rights=Rights(FILES, gains=False))


def main() -> int:
    """The program."""
    return run(SPEC)
