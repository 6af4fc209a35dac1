# SPDX-License-Identifier: Apache-2.0
"""``virloom completion SHELL``: prints what makes a shell complete our commands."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

_BASH = """\
# source <(virloom completion bash)
_virloom() {
    local IFS=$'\\n'
    COMPREPLY=($(virloom completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _virloom virloom
"""

_ZSH = """\
#compdef virloom
# virloom completion zsh > a directory of $fpath, as _virloom
_virloom() {
    local -a found
    found=("${(@f)$(virloom completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -a found
}
compdef _virloom virloom
"""

_FISH = """\
# virloom completion fish > ~/.config/fish/completions/virloom.fish
function __virloom_words
    set -l typed (commandline -opc) (commandline -ct)
    virloom completion words -- $typed[2..-1] 2>/dev/null
end
complete -c virloom -f -a '(__virloom_words)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.epilog = "exit code: 0"
    parser.add_argument(
        "shell",
        choices=[*_SCRIPTS, "words"],
        help="the shell; 'words' is what its script asks: what may stand in the last word's place",
    )
    parser.add_argument("words", nargs="*", help="the words typed so far, after 'virloom'")


def execute(options: argparse.Namespace) -> int:
    """Prints the script, or the words; exit code 0."""
    if options.shell in _SCRIPTS:
        print(_SCRIPTS[options.shell], end="")
        return 0
    for word in asyncio.run(_words(options.words)):
        print(word)
    return 0


async def _words(typed: Sequence[str]) -> list[str]:
    from virloom.cli.main import COMMANDS
    from virloom.cli.shell.completion import candidates
    from virloom.cli.shell.settings import WrongOption, read_settings

    *before, current = typed or [""]
    try:
        settings = read_settings([*before, current] if before else [])
    except WrongOption:
        return []
    words = settings.words or [current]
    try:
        found = await candidates(settings.session, words)
    finally:
        await settings.session.close()
    own = [name for name in COMMANDS if len(words) == 1 and name.startswith(words[0])]
    return sorted([*found, *own])
