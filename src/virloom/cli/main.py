# SPDX-License-Identifier: Apache-2.0
"""Entry point of ``virloom``: finds the command, loads nothing but that, reports its error.

Our own commands are listed here; all others are libvirt's, with virsh's syntax and exit codes
(:mod:`virloom.cli.shell`).

Exit codes of our own: 0 done, 2 a wrong command line or something that could not be begun; what 1
means is each command's own (its ``--help`` says so). A signal that ends a command gives 128 and
its number.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence

from virloom.cli.reader import may_be_left
from virloom.errors import VirloomError

COMMANDS = {
    "run": "boot the guest of a domain document, its console on this terminal",
    "demo": "boot a tiny guest, talk to it, watch it stop",
    "explain": "what happened to a guest, who asked for it, and why it ended",
    "daemons": "run the daemons in the foreground: start, watch, start again",
    "doctor": "what this host has for guests, and what is missing",
    "validate": "check a document, or print the schema of a type of documents",
    "completion": "print what makes bash, zsh or fish complete these commands",
    "manual": "print the manual page of all commands",
}
"""Every command and what its line in the list of commands says."""

FAILED = 2

#: Options that stand before a command, those with their value in the same word told apart.
_BEFORE = re.compile(r"-c|-o|--(connect|output)(?P<value>=.*)?")


@may_be_left
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of *argv* (by default the process's) and return its exit code."""
    words = _own_first(list(sys.argv[1:] if argv is None else argv))
    try:
        return _run(words)
    except VirloomError as error:
        print(" ".join(["virloom", *words[:1]]) + f": {error.message}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _own_first(words: list[str]) -> list[str]:
    """URI and format behind a command of ours, for whoever says them before, as with libvirt's."""
    at = 0
    while at < len(words) and (found := _BEFORE.fullmatch(words[at])):
        at += 1 if found["value"] else 2
    if at and words[at : at + 1] and words[at] in COMMANDS:
        return [words[at], *words[:at], *words[at + 1 :]]
    return words


def _run(words: Sequence[str]) -> int:
    if words and words[0] in COMMANDS:
        from virloom.cli.own import run_own

        return run_own(words, COMMANDS)
    from virloom.cli.shell.runner import run

    if list(words) in (["-h"], ["--help"]):
        print("  commands of virloom's own (virloom COMMAND --help):\n")
        print("".join(f"    {name:<30} {summary}\n" for name, summary in COMMANDS.items()))
    return run(words)
