# SPDX-License-Identifier: Apache-2.0
"""``virloom daemons``: all daemons in the foreground, for hosts without systemd."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from virloom.cli.supervise import Supervisor, Watched
from virloom.daemons import FAMILY, HELPERS, OF_THE_HOST
from virloom.enums.error import ErrorDomain
from virloom.host.root_kinds import refuse_embedded

_EPILOG = """\
It prints a line for each daemon that is ready, ends or is started again, and ends all of them at
SIGTERM and SIGINT. Guests go on.

exit code: 0 ended as told; 1 a daemon could not be started at all
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--root", metavar="DIR", help="use DIR/etc, DIR/run and DIR/var instead of the system's")
    add(
        "--only",
        metavar="NAMES",
        type=_names,
        help=f"of {','.join(FAMILY)}, with commas between them",
    )
    add("--listen", action="store_true", help="serve the network, as virtproxyd.conf says")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in FAMILY]
    if unknown:
        known = ", ".join(FAMILY)
        raise argparse.ArgumentTypeError(f"there is no daemon '{unknown[0]}'; there are {known}")
    return [name for name in FAMILY if name in names]


def execute(options: argparse.Namespace) -> int:
    """Run them until told to end."""
    if options.root:
        refuse_embedded(Path(options.root).resolve(), ErrorDomain.RPC)
    return asyncio.run(_run(_watched(options)))


def _watched(options: argparse.Namespace) -> list[Watched]:
    only = options.only or _usual(options.root)
    common = ["--root", options.root] if options.root else []
    network = ["--listen"] if options.listen else []
    return [
        Watched(
            FAMILY[name], [*common, *(network if name == "proxy" else [])], first=name in HELPERS
        )
        for name in only
    ]


def _usual(root: str | None) -> list[str]:
    """All that there are; of a user's session, those that users have."""
    session = root is None and os.geteuid() != 0
    return [name for name in FAMILY if not (session and name in OF_THE_HOST)]


async def _run(daemons: list[Watched]) -> int:
    supervisor = Supervisor(_tell)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    await supervisor.run(daemons)
    return 1 if supervisor.given_up else 0


def _tell(line: str) -> None:
    print(line, flush=True)
