# SPDX-License-Identifier: Apache-2.0
"""Undo what a guest's record lists: files, directories, owners. Every undoing may be repeated.

A record lists a resource before it is taken, so undoing one that never came to be is no error.
The guardian process loads this module too and has to stay small: only what is needed is imported.

=============  ===========================================  =============================
``kind``       further keys                                 undone by
=============  ===========================================  =============================
``file``       ``path``                                     removing the file or socket
``directory``  ``path``, ``root`` (it must lie below this)  removing the whole tree
``owner``      as :mod:`virloom.host.ownership` made it     giving the owner back
``cgroup``     ``directories`` in the boot ``boot_id``      removing the groups
``selinux``    ``label``, ``former`` labels of ``path``     the former label
``profile``    ``name`` of the profile; ``path`` takes it   removing it from the kernel
``link``       ``path``: the name of a network link; who    removing the link
               holds its ``space``, if not our own
``macvtap``    and ``lower``, ``address`` (of the link);    removing the link
               ``taken``: addresses that the guest took
``pci``        as :mod:`virloom.host.pci` made it           giving the host the device back
``function``   as :mod:`virloom.host.virtual_functions`     the former address and VLAN
               made it
=============  ===========================================  =============================
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias

    Resource: TypeAlias = Mapping[str, Any]


def release(resources: Sequence[Resource]) -> list[str]:
    """Undo *resources*, the last one first; one that fails does not keep the others.

    Returns:
        What failed, in words; empty when all is undone. The record must be kept otherwise.
    """
    failures = []
    for resource in reversed(resources):
        kind = resource.get("kind")
        undo = _UNDO.get(str(kind))
        try:
            if undo is None:
                raise ValueError("nobody knows this kind of resource")
            undo(resource)
        except (OSError, ValueError, KeyError) as error:
            failures.append(f"{kind} '{resource.get('path')}': {error}")
    return failures


def _remove_file(resource: Resource) -> None:
    try:
        os.unlink(resource["path"])
    except FileNotFoundError:
        return


def _restore_owner(resource: Resource) -> None:
    from virloom.host import ownership  # most guests have no such resource

    ownership.restore(resource)


def _remove_groups(resource: Resource) -> None:
    from virloom.host.cgroup.removal import remove_left  # guests of ordinary users have none
    from virloom.host.identity import boot_id

    if resource["boot_id"] != boot_id():
        return  # they went with that boot, and what is called so now is somebody else's
    left = remove_left(resource["directories"])
    if left:
        raise OSError(f"somebody is in {', '.join(left)}")


def _restore_label(resource: Resource) -> None:
    """Give a file the label back that it had, unless it has got another one since."""
    attribute = "security.selinux"
    try:
        if os.getxattr(resource["path"], attribute).rstrip(b"\0").decode() != resource["label"]:
            return
        if resource["former"]:
            os.setxattr(resource["path"], attribute, resource["former"].encode() + b"\0")
        else:
            os.removexattr(resource["path"], attribute)
    except OSError as error:
        import errno

        if error.errno not in (errno.ENOENT, errno.ENODATA, errno.ENOTSUP):
            raise


def _remove_profile(resource: Resource) -> None:
    try:
        with open(resource["path"], "w", encoding="utf-8") as file:
            file.write(resource["name"])
    except FileNotFoundError:  # it is not loaded, or this kernel has no AppArmor
        return


def _remove_link(resource: Resource) -> None:
    from virloom.host import links  # only guests whose traffic is limited have one

    holder = resource.get("space")
    if holder is None:
        links.remove(resource["path"])
    else:
        _in_space(holder, lambda: links.remove(resource["path"]))


def _in_space(holder: Mapping[str, Any], action: Callable[[], None]) -> None:
    """Act in the network namespace that a process holds; with that process all in it has gone."""
    from virloom.host.identity import ProcessIdentity
    from virloom.host.inside import network_of

    identity = ProcessIdentity.from_json(dict(holder))
    if not identity.matches():
        return
    with network_of(identity.pid):
        action()


def _remove_macvtap(resource: Resource) -> None:
    from virloom.host import links  # most guests are on bridges, if at all

    addresses = (resource["address"], *resource.get("taken", ()))
    links.remove_macvtap(resource["path"], resource["lower"], addresses)


def _return_device(resource: Resource) -> None:
    from virloom.host import pci  # few guests have a device of the host's

    pci.give_back(resource)


def _restore_function(resource: Resource) -> None:
    from virloom.host import virtual_functions  # hardly any guest has one

    virtual_functions.restore(resource)


def _remove_directory(resource: Resource) -> None:
    """Remove a tree strictly below ``root``, following no symbolic link on the way down."""
    root = os.path.realpath(resource["root"])
    parent, name = os.path.split(os.path.abspath(resource["path"]))
    parent = os.path.realpath(parent)
    if name in ("", ".", "..") or os.path.commonpath((root, parent)) != root:
        raise ValueError(f"it does not lie below '{root}'")
    try:
        parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _remove_tree(parent_fd, name)
    finally:
        os.close(parent_fd)


def _remove_tree(parent_fd: int, name: str) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, dir_fd=parent_fd)
    except FileNotFoundError:
        return
    except NotADirectoryError:  # a file, or a symbolic link: it goes, what it points to stays
        os.unlink(name, dir_fd=parent_fd)
        return
    try:
        for entry in os.listdir(fd):
            _remove_tree(fd, entry)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=parent_fd)


_UNDO: dict[str, Callable[[Resource], None]] = {
    "file": _remove_file,
    "directory": _remove_directory,
    "owner": _restore_owner,
    "selinux": _restore_label,
    "profile": _remove_profile,
    "cgroup": _remove_groups,
    "link": _remove_link,
    "macvtap": _remove_macvtap,
    "pci": _return_device,
    "function": _restore_function,
}
