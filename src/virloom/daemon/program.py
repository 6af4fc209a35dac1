# SPDX-License-Identifier: Apache-2.0
"""The command line of a daemon, with libvirt's options and ``--root``.

Exit codes: 0 ended as told, 1 it could not start, 2 a wrong command line.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from virloom.daemon import logs, proxy_user
from virloom.daemon.config import DaemonConfig, NetworkConfig
from virloom.daemon.control import LoggingState
from virloom.daemon.handover import execute_again, is_again, present_directory
from virloom.daemon.lifecycle import serve
from virloom.daemon.memory import out_of_memory
from virloom.daemon.places import Places
from virloom.daemon.renewal import hold_back
from virloom.daemon.rights import give_up
from virloom.daemon.spec import DaemonSpec
from virloom.daemon.units import write_units
from virloom.enums.error import ErrorDomain
from virloom.errors import VirloomError, system_failure
from virloom.host.files import ensure_directory
from virloom.host.root_kinds import refuse_embedded


def run(spec: DaemonSpec, argv: Sequence[str] | None = None) -> int:
    """Runs the daemon by its command line; returns the exit code."""
    options = _parser(spec).parse_args(argv)
    try:
        if options.print_config:
            return _print_config(spec)
        return _print_units(spec, options) if options.print_units else _start(spec, options)
    except (VirloomError, OSError) as exc:
        message = exc.message if isinstance(exc, VirloomError) else str(exc)
        print(f"{spec.name}: {message}", file=sys.stderr)
        return 1
    except MemoryError:
        out_of_memory()


def _parser(spec: DaemonSpec) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=spec.name,
        description=spec.description,
        # Without a width it asks the terminal for each option, and loads the compressors for that.
        formatter_class=partial(argparse.HelpFormatter, width=100),
    )
    add = parser.add_argument
    add("-v", "--verbose", action="store_true", help="log what is done, not only what fails")
    add("-d", "--daemon", action="store_true", help="go to the background when clients can connect")
    add("-f", "--config", metavar="FILE", help=f"configuration, instead of {spec.name}.conf")
    add("-t", "--timeout", type=_seconds, default=0, metavar="SECONDS",
        help="end after this time without clients and guests")  # fmt: skip
    version = f"{spec.name} (libvirt) 9.0.0"
    add("-V", "--version", action="version", version=version, help="say which one this is, and end")
    if spec.network:
        add("-l", "--listen", action="store_true", help="serve the network, as configured")
    add("-p", "--pid-file", metavar="FILE", help="where to write the process id")
    add("--root", metavar="DIR", help="use DIR/etc, DIR/run and DIR/var instead of the system's")
    add("--print-config", action="store_true", help="print the default configuration and end")
    add("--print-units", metavar="DIR", help="write the systemd units into DIR and end")
    return parser


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds")
    return int(text)


def _own_path(spec: DaemonSpec) -> str:
    program = Path(sys.argv[0])
    return str(program.resolve()) if program.name == spec.name else f"/usr/sbin/{spec.name}"


def _print_units(spec: DaemonSpec, options: argparse.Namespace) -> int:
    _, config = _settings(spec, options)
    proxy = proxy_user.find(config.proxy_user)
    directory = Path(options.print_units)
    ensure_directory(directory, 0o755)
    for path in write_units(spec, _own_path(spec), directory, config, proxy):
        print(path)
    return 0


def _print_config(spec: DaemonSpec) -> int:
    from virloom.daemon.default_config import default_config  # hardly ever asked for

    print(default_config(spec), end="")
    return 0


def _settings(spec: DaemonSpec, options: argparse.Namespace) -> tuple[Places, DaemonConfig]:
    """Where its files are, and what is configured."""
    if options.root:
        root = Path(options.root).resolve()
        refuse_embedded(root, ErrorDomain.RPC)
        places = Places.system(root)
    else:
        places = Places.system(Path("/")) if os.geteuid() == 0 else Places.of_user()
    file = Path(options.config) if options.config else places.settings / f"{spec.name}.conf"
    kind = NetworkConfig if spec.network else spec.config
    return places, kind.load(file, required=options.config is not None)


def _start(spec: DaemonSpec, options: argparse.Namespace) -> int:
    hold_back(spec)
    called_in, again = present_directory(), is_again()
    places, config = _settings(spec, options)
    logging = config.logging().overridden(os.environ)
    logs.check(logging)
    pid_file = Path(options.pid_file) if options.pid_file else places.pid_files / f"{spec.name}.pid"
    pid_file = pid_file.absolute()
    started = _detach() if options.daemon and not again else None
    if started is False:
        return 0
    log_file = str(places.log / f"{spec.name}.log")
    default = logs.default_output(log_file, background=options.daemon)
    state = LoggingState(spec.name, logging, default, verbose=options.verbose)
    state.apply()
    if spec.rights is not None:
        give_up(spec.rights)
    ensure_directory(pid_file.parent, 0o755)

    def ready() -> None:
        _write_pid(pid_file)
        if callable(started):
            started()

    descriptors = None
    try:
        network = spec.network and options.listen
        descriptors = asyncio.run(
            serve(
                spec,
                places,
                config,
                timeout=options.timeout,
                ready=ready,
                logging=state,
                network=network,
            )
        )
    finally:
        if descriptors is None:
            _remove_pid(pid_file)
    if descriptors is not None:
        execute_again(descriptors, sys.orig_argv, called_in)
    return 0


def _write_pid(path: Path) -> None:
    try:
        path.write_text(f"{os.getpid()}\n")
    except OSError as exc:
        raise system_failure(f"cannot write the pid file '{path}'", exc) from exc


def _remove_pid(path: Path) -> None:
    """Takes our own pid file away, not that of a daemon that was there first."""
    try:
        mine = path.read_text() == f"{os.getpid()}\n"
    except OSError:  # there is none
        return
    if mine:
        with contextlib.suppress(FileNotFoundError, PermissionError):  # virtproxyd may no longer
            path.unlink()


def _detach() -> Callable[[], None] | bool:
    """Goes on in a child in a session of its own.

    The parent waits until the child is ready, or has failed and said why; then it gets False. The
    child gets the function that says so.
    """
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        if os.read(reader, 1) != b"1":
            raise SystemExit(1)
        os.close(reader)
        return False
    os.close(reader)
    os.setsid()
    os.chdir("/")

    def ready() -> None:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)
        os.write(writer, b"1")
        os.close(writer)

    return ready
