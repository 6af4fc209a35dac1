# SPDX-License-Identifier: Apache-2.0
"""The program: commands, words and exit codes of libvirt's service script.

Exit codes: 0 done; 1 something failed; 2 a wrong command; of ``status`` 0 started, 3 stopped.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import virloom
from virloom.cli.programs.arguments import VERSION, ProgramParser
from virloom.cli.programs.guests.bring_up import bring_up
from virloom.cli.programs.guests.record import Record
from virloom.cli.programs.guests.report import Report, running, uri_of
from virloom.cli.programs.guests.settings import GuestSettings
from virloom.cli.programs.guests.table import as_table
from virloom.cli.programs.guests.take_down import take_down
from virloom.cli.programs.guests.unit import render
from virloom.cli.reader import may_be_left
from virloom.errors import VirloomError

_NAME = "libvirt-guests"
_WRONG, _STOPPED = 2, 3


async def _start(settings: GuestSettings, record: Record, report: Report) -> int:
    await bring_up(settings, record, report)
    return 1 if report.failed else 0


async def _stop(settings: GuestSettings, record: Record, report: Report) -> int:
    await take_down(settings, record, report)
    return 1 if report.failed else 0


async def _restart(settings: GuestSettings, record: Record, report: Report) -> int:
    await take_down(settings, record, report)
    await bring_up(settings, record, report)
    return 1 if report.failed else 0


async def _restart_started(settings: GuestSettings, record: Record, report: Report) -> int:
    return await _restart(settings, record, report) if record.started else 0


async def _shut_down(settings: GuestSettings, record: Record, report: Report) -> int:
    return await _stop(settings._replace(suspend=False), record, report)


async def _nothing(settings: GuestSettings, record: Record, report: Report) -> int:
    """There is nothing to read again: each command reads the settings."""
    return 0


async def _status(settings: GuestSettings, record: Record, report: Report) -> int:
    if record.started:
        report.say("started")
        return 0
    saved = "saved guests" if record.kept else "no saved guests"
    report.say(f"stopped, with {saved}")
    return _STOPPED


async def _guest_status(settings: GuestSettings, record: Record, report: Report) -> int:
    for uri in settings.uris:
        report.say(f"* {uri} URI:")
        try:
            async with virloom.open(uri_of(uri), readonly=True) as connection:
                guests = await running(connection)
                states = [(await guest.state()).state for guest in guests]
            report.say(as_table(list(zip(guests, states, strict=True))))
        except VirloomError as error:
            print(f"error: {error.message}", file=sys.stderr, flush=True)
        report.say("")
    return 0


COMMANDS: dict[str, Callable[[GuestSettings, Record, Report], Awaitable[int]]] = {
    "start": _start,
    "stop": _stop,
    "status": _status,
    "restart": _restart,
    "condrestart": _restart_started,
    "try-restart": _restart_started,
    "reload": _nothing,
    "force-reload": _nothing,
    "gueststatus": _guest_status,
    "shutdown": _shut_down,
}
"""Every command, in libvirt's order."""


@may_be_left
def main(argv: Sequence[str] | None = None) -> int:
    """The program."""
    options = _parser().parse_args(argv)
    if options.print_units:
        return _print_unit(Path(options.print_units))
    if options.command is None:
        _parser().error("no command is given")
    root = Path(options.root)
    try:
        settings = GuestSettings.load(root)
        return asyncio.run(_run(options.command, settings, Record(root)))
    except VirloomError as error:
        print(f"{_NAME}: {error.message}", file=sys.stderr)
        return 1


async def _run(command: str, settings: GuestSettings, record: Record) -> int:
    return await COMMANDS[command](settings, record, Report())


def _print_unit(directory: Path) -> int:
    program = Path(sys.argv[0])
    own = str(program.resolve()) if program.name == _NAME else f"/usr/sbin/{_NAME}"
    path = directory / f"{_NAME}.service"
    path.write_text(render(own))
    print(path)
    return 0


def _parser() -> ProgramParser:
    parser = ProgramParser(
        _NAME,
        "Takes guests down with the host, and brings them up with it.",
        (f"{_NAME} (libvirt) {VERSION}", "-V"),
        wrong=_WRONG,
    )
    parser.usage = f"{_NAME} {{{'|'.join(COMMANDS)}}}"
    parser.add_argument(
        "--root", metavar="DIR", default="/", help="use DIR/etc and DIR/var, not the system's"
    )
    parser.add_argument("--print-units", metavar="DIR", help="write the systemd unit into DIR")
    parser.add_argument("command", choices=tuple(COMMANDS), metavar="COMMAND", nargs="?")
    return parser


if __name__ == "__main__":
    sys.exit(main())
