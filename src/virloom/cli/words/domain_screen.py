# SPDX-License-Identifier: Apache-2.0
"""A domain's screen, keyboard and console."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments, parse_number
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.nodes import attribute, below, first, parsed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.enums.domain import DomainProcessSignal, DomainXMLFlags, KeycodeSet
from virloom.xml import Node


@command("console")
async def console(session: Session, arguments: Arguments) -> None:
    """Use a domain's console from this terminal."""
    from virloom.cli.shell.console import use_console

    domain = await lookup.domain(session, arguments)
    await use_console(
        session,
        domain,
        arguments.get("devname"),
        force="force" in arguments,
        safe="safe" in arguments,
    )


@command("ttyconsole")
async def ttyconsole(session: Session, arguments: Arguments) -> None:
    """Print the terminal device of a domain's first console."""
    domain = await lookup.domain(session, arguments)
    root = parsed(await domain.xml_desc())
    tty = attribute(root, "devices/console", "tty")
    if tty is None:
        raise CommandFailed("")
    session.output.value("tty", tty)


_DISPLAYS = ("vnc", "spice", "rdp")


@command("domdisplay")
async def domdisplay(session: Session, arguments: Arguments) -> None:
    """Print the address of a domain's screen."""
    wanted = arguments.get("type")
    domain = await lookup.domain(session, arguments)
    if not await domain.is_active():
        raise CommandFailed("Domain is not running")
    secret = "include-password" in arguments
    flags = DomainXMLFlags.SECURE if secret else 0
    graphics = list(below(parsed(await domain.xml_desc(flags)), "devices/graphics"))
    found = []
    for kind in _DISPLAYS:
        if wanted is not None and wanted != kind:
            continue
        for one in graphics:
            address = _address(one, secret=secret) if one.attributes.get("type") == kind else None
            if address is not None:
                found.append(address)
                break
    if not found:
        of_type = "" if wanted is None else f" with type '{wanted}'"
        raise CommandFailed(f"No graphical display{of_type} found")
    session.output.column("address", found if "all" in arguments else found[:1])
    session.without_blank_line = "all" not in arguments


def _address(graphics: Node, *, secret: bool) -> str | None:
    kind = graphics.attributes["type"]
    listen = first(graphics, "listen")
    path = graphics.attributes.get("socket") or (
        listen.attributes.get("socket") if listen else None
    )
    if path is not None:
        return f"{kind}+unix://{path}"
    port = _port(graphics.attributes.get("port"))
    tls_port = _port(graphics.attributes.get("tlsPort"))
    if port is None and tls_port is None:
        return None
    host = graphics.attributes.get("listen") or "localhost"
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)
    shown_host = f"[{host}]" if ":" in host else host
    password = graphics.attributes.get("passwd") if secret else None
    text = f"{kind}://" + (f":{password}@" if password and kind == "vnc" else "") + shown_host
    if port is not None:
        text += f":{port - 5900}" if kind == "vnc" else f":{port}"
    if tls_port is not None:
        text += ("&" if port is not None else "?") + f"tls-port={tls_port}"
    if password and kind == "spice":
        text += ("&" if tls_port is not None else "?") + f"password={password}"
    return text


def _port(text: str | None) -> int | None:
    number = parse_number(text) if text else None
    return number if number is not None and number > 0 else None


@command("vncdisplay")
async def vncdisplay(session: Session, arguments: Arguments) -> None:
    """Print the VNC display of a domain."""
    domain = await lookup.domain(session, arguments)
    if not await domain.is_active():
        raise CommandFailed("Domain is not running")
    graphics = below(parsed(await domain.xml_desc()), "devices/graphics")
    found = next((one for one in graphics if one.attributes.get("type") == "vnc"), None)
    port = _port(found.attributes.get("port")) if found is not None else None
    if found is None or port is None:
        raise CommandFailed("Failed to get VNC port. Is this domain using VNC?")
    listen = found.attributes.get("listen", "")
    host = "" if listen in ("", "0.0.0.0") else f"[{listen}]" if ":" in listen else listen
    session.output.value("display", f"{host}:{port - 5900}")


_ENDINGS = {"image/png": ".png", "image/x-portable-pixmap": ".ppm"}


@command("screenshot")
async def screenshot(session: Session, arguments: Arguments) -> None:
    """Save a picture of a domain's screen."""
    domain, name = await lookup.domain_named(session, arguments)
    path, screen = arguments.get("file"), arguments.uint("screen")
    with failing(f"could not take a screenshot of {name}"):
        picture = await domain.screenshot(screen or 0)
    mime = picture.mime or ""
    if path is None:
        moment = datetime.now().strftime("%Y-%m-%d-%H:%M:%S")
        path = f"{domain.name}-{moment}{_ENDINGS.get(mime, '')}"
    _store(path, picture.data)
    session.output.note(f"Screenshot saved to {path}, with type of {mime}")
    session.without_blank_line = True


def _store(path: str, data: bytes) -> None:
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise CommandFailed(f"cannot create file {path}") from error


_CODESETS = {
    "linux": KeycodeSet.LINUX,
    "xt": KeycodeSet.XT,
    "atset1": KeycodeSet.ATSET1,
    "atset2": KeycodeSet.ATSET2,
    "atset3": KeycodeSet.ATSET3,
    "os_x": KeycodeSet.OSX,
    "xt_kbd": KeycodeSet.XT_KBD,
    "usb": KeycodeSet.USB,
    "win32": KeycodeSet.WIN32,
    "qnum": KeycodeSet.QNUM,
    "rfb": KeycodeSet.QNUM,
}
_MOST_KEYS = 16


@command("send-key")
async def send_key(session: Session, arguments: Arguments) -> None:
    """Press keys of a domain's keyboard together."""
    domain = await lookup.domain(session, arguments)
    name = arguments.text("codeset", "linux")
    hold = arguments.uint("holdtime")
    if name not in _CODESETS:
        raise CommandFailed(f"unknown codeset: '{name}'")
    words = arguments.words("keycode")
    if len(words) > _MOST_KEYS:
        raise CommandFailed("too many keycodes")
    keys = [_key(_CODESETS[name], word) for word in words]
    await domain.send_key(keys, codeset=_CODESETS[name], hold_ms=hold or 0)


def _key(codeset: KeycodeSet, word: str) -> int:
    number = parse_number(word)
    if number is None:
        from virloom.cli.shell.keynames import number_of

        number = number_of(codeset, word)
    if number is None or not 0 <= number <= 0xFFFF:
        raise CommandFailed(f"invalid keycode: '{word}'")
    return number


@command("inject-nmi")
async def inject_nmi(session: Session, arguments: Arguments) -> None:
    """Raise a non-maskable interrupt in a domain."""
    domain = await lookup.domain(session, arguments)
    await domain.inject_nmi()


@command("send-process-signal")
async def send_process_signal(session: Session, arguments: Arguments) -> None:
    """Send a signal to a process in a domain."""
    domain = await lookup.domain(session, arguments)
    pid = arguments.longlong("pid")
    assert pid is not None
    name = arguments.text("signame")
    number = _signal(name)
    if number is None:
        raise CommandFailed(f"malformed signal name: {name}")
    await domain.send_process_signal(pid, number)


def _signal(name: str) -> int | None:
    number = parse_number(name)
    if number is not None:
        return number if number >= 0 else None
    plain = name.upper().removeprefix("SIG_").removeprefix("SIG")
    if plain in DomainProcessSignal.__members__:
        return DomainProcessSignal[plain]
    return signal.Signals[f"SIG{plain}"] if f"SIG{plain}" in signal.Signals.__members__ else None
