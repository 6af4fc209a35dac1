# SPDX-License-Identifier: Apache-2.0
"""Which security models confine guests on this host, besides the owners of files.

``security_driver`` of ``qemu.conf`` names them; without it the kernel's own is taken. One that is
named and that the kernel has not is an error at once: guests would be less confined than was asked.
AppArmor is there when the kernel says so and its list of profiles can be read, as libvirt has it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError

#: The models that the kernel may enforce, in the order in which they are looked for.
KNOWN = ("selinux", "apparmor")

_SELINUX = Path("sys/fs/selinux/enforce")
_APPARMOR = Path("sys/module/apparmor/parameters/enabled")
#: What AppArmor has loaded; without it nobody can load or remove a profile either.
_PROFILES = Path("sys/kernel/security/apparmor/profiles")


class Stack(NamedTuple):
    """The models in use.

    Attributes:
        models: Those that the kernel enforces, in order; none where it has none.
        default_confined: Whether guests are confined that do not say.
        require_confined: Whether guests that are not confined are refused.
    """

    models: tuple[str, ...] = ()
    default_confined: bool = True
    require_confined: bool = False

    @property
    def primary(self) -> str:
        """What is asked for where a document names no model."""
        return self.models[0] if self.models else "none"

    def check(self, models: Sequence[str | None], what: str) -> None:
        """Refuse labels of models that are not in use.

        Raises:
            ConfigUnsupported: With the first of them, and *what* it is for.
        """
        for model in models:
            if model not in (None, "none", "dac", *self.models):
                raise ConfigUnsupported(
                    f"no security driver for model '{model}' of {what}",
                    domain=ErrorDomain.SECURITY,
                    remedy="security_driver of qemu.conf says which are used",
                )


def enabled(model: str, root: Path = Path("/")) -> bool:
    """Whether the kernel enforces a model now, and lets us have guests confined by it."""
    return _enforced(model, root) and (model != "apparmor" or _has_profiles(root))


def _enforced(model: str, root: Path) -> bool:
    if model == "selinux":
        return (root / _SELINUX).exists()
    try:
        return (root / _APPARMOR).read_text().strip() == "Y"
    except OSError:
        return False


def _has_profiles(root: Path) -> bool:
    """Whether securityfs is there; a container often has not, whatever its host's kernel says."""
    return os.access(root / _PROFILES, os.R_OK)


def choose(
    wanted: Sequence[str] | None,
    *,
    default_confined: bool = True,
    require_confined: bool = False,
    root: Path = Path("/"),
) -> Stack:
    """The models by ``qemu.conf``.

    Args:
        wanted: ``security_driver``; None takes the first that the kernel has.
        root: Where ``sys`` is.

    Raises:
        InternalError: Nobody knows a model by that name.
        ConfigUnsupported: The kernel has it not, or guests must be confined and nothing does it.
    """
    if wanted is None:
        models = tuple(model for model in KNOWN if enabled(model, root))[:1]
    else:
        models = tuple(_usable(model, root) for model in wanted if model not in ("none", "dac"))
    if require_confined and not models:
        raise ConfigUnsupported(
            'security driver "none" cannot confine guests, which security_require_confined wants',
            domain=ErrorDomain.SECURITY,
        )
    return Stack(models, default_confined, require_confined)


def _usable(model: str, root: Path) -> str:
    if model not in KNOWN:
        raise InternalError(f"there is no security driver '{model}'", domain=ErrorDomain.SECURITY)
    if not _enforced(model, root):
        raise ConfigUnsupported(
            f"security driver '{model}' is not enabled in this kernel",
            domain=ErrorDomain.SECURITY,
        )
    if not enabled(model, root):
        raise ConfigUnsupported(
            f"security driver '{model}' cannot be used: '/{_PROFILES}' cannot be read",
            domain=ErrorDomain.SECURITY,
            remedy="mount -t securityfs securityfs /sys/kernel/security",
        )
    return model
