# SPDX-License-Identifier: Apache-2.0
"""Who may use a file, in words."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path


def owner(uid: int) -> str:
    """A user's name, or the number where nobody knows it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"+{uid}"


def group_name(gid: int) -> str:
    """A group's name, or its number where nobody knows it, as in a container."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def who_may(status: os.stat_result) -> str:
    """Who may write to a file, which for a socket is to connect."""
    if status.st_mode & 0o002:
        return "everybody"
    users = [owner(status.st_uid)]
    if status.st_uid != 0:
        users.insert(0, "root")
    if status.st_mode & 0o020:
        users.append(f"group '{group_name(status.st_gid)}'")
    return " and ".join(users) if len(users) < 3 else f"{', '.join(users[:-1])} and {users[-1]}"


def obstacle(path: Path) -> str:
    """What keeps this user from writing to a file; empty where nothing does."""
    closed = closed_directory(path)
    if not closed and not os.access(path, os.W_OK):
        return f"its rights leave '{owner(os.geteuid())}' out"
    return closed


def closed_directory(path: Path) -> str:
    """The directory above a file that this user may not enter; empty where there is none."""
    for directory in reversed(path.parents):
        if os.path.exists(directory) and not os.access(directory, os.X_OK):
            return f"the directory '{directory}' is closed to us"
    return ""
