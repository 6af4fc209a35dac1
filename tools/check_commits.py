# SPDX-License-Identifier: Apache-2.0
"""Checks commit messages (form: .gitlint; areas: our folder names; DCO), and each commit's content.

python -m tools.check_commits origin/main..HEAD                     the messages of a series
python -m tools.check_commits --run "make check" origin/main..HEAD  and a command on each commit
python -m tools.check_commits --message FILE                        one message (commit-msg hook)
"""

from __future__ import annotations

import argparse
import configparser
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.tracked import ROOT, report, tracked_files

#: Areas that are no folder: the files at the root, and .ci with .gitlab-ci.yml and .github.
_BEYOND_FOLDERS = frozenset(("project", "ci"))

_SIGNED = re.compile(r"^Signed-off-by: [^<>]+ <[^<>\s]+@[^<>\s]+>$", re.MULTILINE)

CURE = (
    "'AREA: what changed' (AREA a folder's name, see docs/contributing), an empty line, why;"
    " sign off with git commit -s; git rebase -i BASE mends earlier ones"
)


@dataclass(frozen=True)
class Form:
    """What a message must look like."""

    subject_length: int
    subject: re.Pattern[str]
    areas: frozenset[str]


def areas_of(files: Iterable[Path]) -> frozenset[str]:
    """The names of all folders that hold *files*."""
    folders = {part.lstrip(".") for path in files for part in path.parts[:-1]}
    return frozenset(folders) | _BEYOND_FOLDERS


def form_of_repository() -> Form:
    """The form that .gitlint asks for."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read_string((ROOT / ".gitlint").read_text())
    return Form(
        settings.getint("title-max-length", "line-length"),
        re.compile(settings.get("title-match-regex", "regex")),
        areas_of(tracked_files()),
    )


def faults(message: str, form: Form) -> list[str]:
    """What is wrong with a commit message; empty when nothing is."""
    subject, _, body = message.strip().partition("\n")
    if subject.startswith(("Merge ", "Revert ")):
        return []
    found = []
    if len(subject) > form.subject_length:
        found.append(f"subject has {len(subject)} characters; at most {form.subject_length}")
    if not form.subject.fullmatch(subject):
        found.append("subject is not 'AREA: what changed' without a full stop")
    else:
        named = subject.partition(":")[0].split(", ")
        unknown = [area for area in named if area not in form.areas]
        found += [f"area {area!r} is not the name of a folder" for area in unknown]
    if body and not body.startswith("\n"):
        found.append("no empty line after the subject")
    if not _SIGNED.search(body):
        found.append("no Signed-off-by line")
    return found


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def check_messages(commits: list[str]) -> list[str]:
    """The faults of the messages of *commits*."""
    form = form_of_repository()
    found = []
    for commit in commits:
        message = _git("show", "-s", "--format=%B", commit)
        subject = message.partition("\n")[0]
        found += [f"{commit[:10]} {subject!r}: {fault}" for fault in faults(message, form)]
    return found


def run_on_each(commits: list[str], command: str) -> list[str]:
    """Runs *command* on each commit, in a work tree of its own; the commits where it failed."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="virloom-series-") as scratch:
        tree = Path(scratch) / "tree"
        _git("worktree", "add", "--detach", str(tree), commits[0])
        try:
            for commit in commits:
                subprocess.run(["git", "checkout", "-q", "--detach", commit], cwd=tree, check=True)
                print(f"== {command} on {_git('show', '-s', '--format=%h %s', commit).strip()}")
                if subprocess.run(shlex.split(command), cwd=tree).returncode != 0:
                    failed.append(f"{commit[:10]}: {command} fails on this commit")
        finally:
            _git("worktree", "remove", "--force", str(tree))
    return failed


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", metavar="COMMAND", help="run this on each commit, too")
    parser.add_argument("--message", metavar="FILE", type=Path, help="check one message")
    parser.add_argument("range", nargs="?", help="such as origin/main..HEAD")
    options = parser.parse_args()
    if options.message is not None:
        lines = options.message.read_text().splitlines()
        message = "\n".join(line for line in lines if not line.startswith("#"))
        return report(faults(message, form_of_repository()), CURE)
    if options.range is None:
        parser.error("a range of commits, or --message FILE")
    commits = _git("rev-list", "--reverse", "--no-merges", options.range).split()
    problems = check_messages(commits)
    if options.run and commits:
        problems += run_on_each(commits, options.run)
    print(f"{len(commits)} commits checked")
    return report(problems, CURE)


if __name__ == "__main__":
    sys.exit(main())
