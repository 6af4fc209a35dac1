# SPDX-License-Identifier: Apache-2.0
"""Help, made from the table and from the first lines of the commands' docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from virloom.cli.shell.options import Command, Option, find_command
from virloom.cli.shell.registry import function_of
from virloom.cli.shell.table import COMMANDS, GROUPS

OPTIONS = """\
virloom [options] [COMMANDS]
virloom [options] COMMAND [words of the command]

  options:
    -c, --connect=URI               what to connect to
    -e, --escape=CHARACTER          what leaves a console (default ^])
    -k, --keepalive-interval=SECONDS, -K, --keepalive-count=NUMBER
                                    ask the server whether it lives; 0 for never
    -o, --output=json               results as JSON; also behind a command
    -q, --quiet                     results only, no words around them
    -r, --readonly                  connect without the right to change anything
    -t, --timing                    how long each command took
    -v, --version, -V               the version, in short and in full
"""


def overview() -> str:
    """The options and all commands."""
    return "\n".join([OPTIONS, *(_group(keyword) + "\n" for keyword in GROUPS)]).rstrip("\n")


def grouped() -> str:
    """All commands under their groups' titles."""
    return "Grouped commands:\n\n" + "\n\n".join(_group(keyword) for keyword in GROUPS)


def group(keyword: str) -> str | None:
    """The commands of a group, None where there is none of that name."""
    return _group(keyword) if keyword in GROUPS else None


def _group(keyword: str) -> str:
    lines = [f" {GROUPS[keyword]} (help keyword '{keyword}'):"]
    lines += [
        f"    {name:<30} {summary(name)}" for name, (home, _) in COMMANDS.items() if home == keyword
    ]
    return "\n".join(lines)


def summary(name: str) -> str:
    """What a command does, in one line."""
    documentation = inspect.getdoc(function_of(name)) or ""
    return documentation.partition("\n")[0].rstrip(".")


def page(command: Command) -> str:
    """All about one command."""
    parts = [
        f"  NAME\n    {command.name} - {summary(command.name)}",
        f"  SYNOPSIS\n    {synopsis(command)}",
        f"  DESCRIPTION\n{_description(command.name)}",
    ]
    if command.options:
        parts.append("  OPTIONS\n" + "\n".join(_option_lines(command)))
    return "\n\n".join(parts) + "\n"


def _description(name: str) -> str:
    documentation = inspect.getdoc(function_of(name)) or ""
    return "\n".join("    " + line if line else "" for line in documentation.splitlines())


def synopsis(command: Command) -> str:
    """The command with its options, as it may be typed."""
    words = [command.name]
    named = False
    for option in command.options:
        words.append(_many(option, named) if option.repeatable else _form(option))
        named = named or option.kind != "flag"
    return " ".join(words)


def _many(option: Option, named: bool) -> str:
    """An option that takes the rest of the line; its name matters where others stand before it."""
    if not named:
        return f"<{option.name}>..." if option.required else f"[<{option.name}>]..."
    pair = f"[--{option.name}] {_VALUES[option.kind]}"
    return f"{{{pair}}}..." if option.required else f"[{pair}]..."


def _form(option: Option) -> str:
    if option.required and option.positional:
        return f"<{option.name}>"
    words = f"--{option.name} {_VALUES[option.kind]}".rstrip()
    return words if option.required else f"[{words}]"


_VALUES = {"flag": "", "int": "<number>", "string": "<string>"}


def _option_lines(command: Command) -> Iterator[str]:
    named = False
    for option in command.options:
        yield "    " + _line(option, named)
        named = named or option.kind != "flag"


def _line(option: Option, named: bool) -> str:
    if option.repeatable and not named:
        return f"<{option.name}>"
    may_be_unnamed = option.positional and (option.required or option.repeatable)
    name = f"[--{option.name}]" if may_be_unnamed else f"--{option.name}"
    return f"{name} {_VALUES[option.kind]}".rstrip()


def command_called(name: str) -> Command:
    """The command of the table that is called so."""
    command = find_command(name)
    assert command is not None, name
    return command


def page_of(name: str) -> str | None:
    """The page of a command or the list of a group, None where there is neither."""
    command = find_command(name)
    return page(command) if command is not None else group(name)
