# SPDX-License-Identifier: Apache-2.0
"""What a running daemon lets be changed: its end, its idle time, its certificates, its logging."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from virloom.daemon import logs
from virloom.daemon.logs import Logging
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationInvalid, VirloomError, system_failure

if TYPE_CHECKING:
    from virloom.daemon.network import TlsGate


class LoggingState:
    """What is logged now, and how to change it.

    Args:
        name: Of the program.
        wanted: What is configured.
        default: The output where none is.
        verbose: At least information.
    """

    def __init__(self, name: str, wanted: Logging, default: str, *, verbose: bool) -> None:
        self._name = name
        self._wanted = wanted
        self._default = default
        self._verbose = verbose

    @property
    def outputs(self) -> str:
        """Where is logged to."""
        return self._wanted.outputs or self._default

    @property
    def filters(self) -> str:
        """What is logged of which part, as libvirt shows it; empty: all alike."""
        parts = [entry.partition(":") for entry in self._wanted.filters.split()]
        return "".join(f"{level}:*{name.removeprefix('+')}* " for level, _, name in parts)

    def apply(self, wanted: Logging | None = None) -> None:
        """Logs so from now on.

        Raises:
            ConfSyntax: An entry makes no sense; all stays as it was.
            OSError: An output cannot be opened; likewise.
        """
        wanted = wanted or self._wanted
        logs.configure(wanted, name=self._name, default=self._default, verbose=self._verbose)
        self._wanted = wanted

    def change(self, *, outputs: str | None, filters: str | None) -> None:
        """As :meth:`apply`, for what is given."""
        wanted = self._wanted
        if outputs is not None:
            wanted = wanted._replace(outputs=outputs)
        if filters is not None:
            wanted = wanted._replace(filters=filters)
        self.apply(wanted)


class DaemonControl:
    """What a daemon lets be done to itself, for :mod:`virloom.daemon.administration`.

    Args:
        name: Of its main server.
        done: Set when it is to end.
        set_timeout: Takes the seconds without use after which it ends.
        logging: What it logs.
        gates: Of TLS, where it is served.
    """

    def __init__(
        self,
        name: str,
        done: asyncio.Event,
        set_timeout: Callable[[int], None],
        logging: LoggingState,
        gates: list[TlsGate],
    ) -> None:
        self._name = name
        self._done = done
        self._set_timeout = set_timeout
        self._logging = logging
        self._gates = gates

    def shut_down(self) -> None:
        """Ends the daemon once this call is answered."""
        asyncio.get_running_loop().call_soon(self._done.set)

    def set_timeout(self, seconds: int) -> None:
        """Ends it after this time without use; 0: never."""
        self._set_timeout(seconds)

    def renew_certificates(self, server: str) -> None:
        """Reads the certificates of TLS again.

        Raises:
            OperationInvalid: That server has no TLS.
            SystemFailure: One cannot be used; those in use stay.
        """
        if server != self._name or not self._gates:
            raise OperationInvalid(
                f"server '{server}' serves no TLS, so there are no certificates to read again",
                domain=ErrorDomain.ADMIN,
            )
        for gate in self._gates:
            gate.renew()

    @property
    def log_outputs(self) -> str:
        """Where is logged to."""
        return self._logging.outputs

    @property
    def log_filters(self) -> str:
        """What is logged of which part."""
        return self._logging.filters

    def set_logging(self, *, outputs: str | None = None, filters: str | None = None) -> None:
        """Changes that.

        Raises:
            VirloomError: It makes no sense, or an output cannot be opened; all stays as it was.
        """
        try:
            self._logging.change(outputs=outputs, filters=filters)
        except VirloomError as exc:
            raise InvalidArg(exc.detail, domain=ErrorDomain.ADMIN) from exc
        except OSError as exc:
            raise system_failure("cannot open the output", exc) from exc
