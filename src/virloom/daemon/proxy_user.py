# SPDX-License-Identifier: Apache-2.0
"""The user that virtproxyd is once it listens, whom the other daemons know by their settings.

It may connect to them, and they believe it for whom it speaks, as they believe root. Nothing else
is allowed to it: no file of a guest, no monitor, no secret is its own or its group's.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported

#: Its name where the configuration tells none.
DEFAULT = "virtproxy"


class ProxyUser(NamedTuple):
    """Whom virtproxyd runs as.

    Attributes:
        groups: The supplementary groups.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]


def find(name: str | None) -> ProxyUser | None:
    """The user of that name, or ``+NUMBER``; None where the default one does not exist.

    Raises:
        ConfigUnsupported: There is no user of that name, or it is root.
    """
    import pwd

    if name is not None and name.startswith("+") and name[1:].isdigit():
        number = int(name)
        found = ProxyUser(number, number, ())
    else:
        try:
            entry = pwd.getpwnam(name or DEFAULT)
        except KeyError as exc:
            if name is None:
                return None
            raise _wrong(f"there is no user '{name}'") from exc
        groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
        found = ProxyUser(entry.pw_uid, entry.pw_gid, groups)
    if found.uid == 0:
        raise _wrong("virtproxyd would not lose any right as root")
    return found


def _wrong(why: str) -> ConfigUnsupported:
    return ConfigUnsupported(f"proxy_user: {why}", domain=ErrorDomain.CONF)


def become(user: ProxyUser) -> None:
    """Gives up all rights of root, for good and for whatever is executed later.

    Raises:
        OSError: That is not possible; the process must not go on.
    """
    from virloom.host.spawn import drop_bounding, set_no_new_privileges  # loads ctypes

    drop_bounding(())
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    set_no_new_privileges(True)
