# SPDX-License-Identifier: Apache-2.0
"""Discretionary access control: the user that QEMU runs as, and the files that it may open.

Names are resolved as libvirt resolves them in ``qemu.conf`` and in ``<seclabel>``. What is chowned
is remembered and given back exactly once (:mod:`virloom.host.ownership`)::

    resource = dac.plan(path, token)    # for each file
    (write the guest's record, which lists the resources)
    dac.take(resource)
    ...
    dac.restore(resource)               # or host.release, or the guardian: any number of times

Only root can give files away: for another user a :class:`Dac` is inactive, plans nothing, and
QEMU runs as that user.
"""

from __future__ import annotations

import contextlib
import grp
import logging
import os
import pwd
from collections.abc import Mapping
from typing import Any, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, system_failure
from virloom.host import ownership

logger = logging.getLogger(__name__)

DEFAULT_USER = "libvirt-qemu"
"""The user that Debian's packages make for QEMU; its group is named the same."""

_LARGEST_ID = 2**32 - 2
"""uid_t is 32 bits wide, and all ones means "leave as it is" (chown(2))."""


class Ids(NamedTuple):
    """Whom a process runs as.

    Attributes:
        groups: The supplementary groups, :attr:`gid` included.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]


def resolve_user(text: str) -> int:
    """The uid of a user's name or number; ``+N`` is the number N even if a user has that name.

    Raises:
        InvalidArg: There is no such user.
    """
    if not text.startswith("+"):
        with contextlib.suppress(KeyError):  # no name; digits alone are a number, as in libvirt
            return pwd.getpwnam(text).pw_uid
    return _number(text, "user")


def resolve_group(text: str) -> int:
    """The gid of a group's name or number, by the rules of :func:`resolve_user`.

    Raises:
        InvalidArg: There is no such group.
    """
    if not text.startswith("+"):
        with contextlib.suppress(KeyError):
            return grp.getgrnam(text).gr_gid
    return _number(text, "group")


def _number(text: str, kind: str) -> int:
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal()) or int(digits) > _LARGEST_ID:
        raise InvalidArg(f"there is no {kind} '{text}'", domain=ErrorDomain.NONE)
    return int(digits)


def resolve_label(label: str) -> tuple[int, int]:
    """uid and gid of a DAC label ``user:group``, as in ``<seclabel model='dac'>``.

    Raises:
        InvalidArg: It has not that form, or names nobody.
    """
    user, colon, group = label.partition(":")
    if not colon or not user or not group:
        raise InvalidArg(f"'{label}' is not 'user:group'", domain=ErrorDomain.NONE)
    return resolve_user(user), resolve_group(group)


def resolve_ids(user: str | None, group: str | None) -> Ids:
    """Whom QEMU runs as, by the ``user`` and ``group`` of ``qemu.conf``.

    Args:
        user: None is :data:`DEFAULT_USER` where it exists, else root as libvirt has it.
        group: None is the group :data:`DEFAULT_USER` where user is None too and both exist (as
            Debian's libvirt has it), else the user's own group.

    Raises:
        InvalidArg: One that is named does not exist.
    """
    uid = _default_user() if user is None else resolve_user(user)
    account = _account(uid)
    if group is not None:
        gid = resolve_group(group)
    elif user is None and uid != 0:
        gid = _default_group(account)
    else:
        gid = account.pw_gid if account is not None else uid
    return ids_of(uid, gid)


def ids_of(uid: int, gid: int) -> Ids:
    """A user with that group, and with all groups that the user has besides, its own included.

    They (kvm, render) give access to devices; libvirt sets them too.
    """
    account = _account(uid)
    groups = os.getgrouplist(account.pw_name, account.pw_gid) if account is not None else [gid]
    return Ids(uid, gid, tuple(dict.fromkeys((gid, *groups))))


def _default_group(account: pwd.struct_passwd | None) -> int:
    try:
        return grp.getgrnam(DEFAULT_USER).gr_gid
    except KeyError:
        return account.pw_gid if account is not None else 0


def _default_user() -> int:
    try:
        return pwd.getpwnam(DEFAULT_USER).pw_uid
    except KeyError:
        return 0


def _account(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


class Dac:
    """Whom QEMU runs as on this connection, and the owners that are changed for it.

    Args:
        user: As in ``qemu.conf``; see :func:`resolve_ids`.
        group: Likewise.
        state_dir: Where owners are remembered that a file system cannot remember itself.
        dynamic: ``dynamic_ownership`` of ``qemu.conf``: change owners at all.
        remember: ``remember_owner``: give files back to whom they were; else they become root's.

    Raises:
        InvalidArg: User or group do not exist.
    """

    def __init__(
        self,
        user: str | None,
        group: str | None,
        state_dir: str,
        *,
        dynamic: bool = True,
        remember: bool = True,
    ) -> None:
        self.state_dir = state_dir
        self.remember = remember
        self.privileged = os.geteuid() == 0
        if self.privileged:
            self.ids = resolve_ids(user, group)
        else:
            self.ids = _own_ids(user)
        self.dynamic = dynamic and self.privileged

    @property
    def changes_user(self) -> bool:
        """Whether QEMU runs as another user than we do."""
        return self.privileged and (self.ids.uid, self.ids.gid) != (os.geteuid(), os.getegid())

    def plan(
        self, path: str, token: str, *, label: tuple[int, int] | None = None
    ) -> dict[str, Any] | None:
        """The resource that stands for giving *path* to QEMU; nothing is changed yet.

        Args:
            token: The guest's marker: the same for all its files, and no other guest's.
            label: Another uid and gid than QEMU's own (a disk's ``<seclabel>``).

        Returns:
            What belongs in the guest's record, or None where owners are not changed.

        Raises:
            SystemFailure: There is no such file.
        """
        if not self.dynamic:
            return None
        uid, gid = label or (self.ids.uid, self.ids.gid)
        try:
            resource = ownership.plan(path, token, uid, gid, self.state_dir)
            return resource if self.remember else {**resource, "remember": False}
        except OSError as error:
            raise _failure(f"Unable to find '{path}'", error) from error

    def take(self, resource: Mapping[str, Any]) -> None:
        """Change the owner as planned, once the record that lists the resource is on disk.

        Raises:
            SystemFailure: It cannot be changed. :meth:`restore` is still to be called.
        """
        try:
            ownership.take(resource)
        except OSError as error:
            doing = f"Unable to give '{resource['path']}' to user {resource['uid']}"
            raise _failure(doing, error) from error

    def restore(self, resource: Mapping[str, Any]) -> None:
        """Give the file back, unless others still hold it. Any number of times, after any crash.

        Raises:
            SystemFailure: It cannot be changed; to be tried again.
        """
        try:
            ownership.restore(resource)
        except OSError as error:
            raise _failure(f"Unable to give '{resource['path']}' back", error) from error


def _failure(doing: str, error: OSError) -> Exception:
    return system_failure(doing, error, domain=ErrorDomain.SECURITY)


def _own_ids(user: str | None) -> Ids:
    """Ourselves: another user in the configuration is passed over, as libvirt does."""
    if user is not None and resolve_user(user) != os.geteuid():
        logger.warning("QEMU does not run as user '%s' of qemu.conf: only root can do that", user)
    return Ids(os.geteuid(), os.getegid(), tuple(os.getgroups()))
