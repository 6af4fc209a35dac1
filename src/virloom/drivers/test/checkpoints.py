# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a checkpoint of a domain."""

from __future__ import annotations

import time

from virloom.drivers.runtime.checkpoints import align_disks
from virloom.drivers.test.completion import complete
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.snapshots import copy_of
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg
from virloom.model.snapshot import Checkpoint

_DOMAIN = ErrorDomain.DOMAIN_CHECKPOINT


def new_checkpoint(guest: Guest, model: Checkpoint) -> Checkpoint:
    """Completes a checkpoint of a domain as it is now."""
    model.creation_time = int(time.time())
    model.domain = copy_of(guest.model)
    align_disks(model, guest.model)
    return model


def check_redefinition(guest: Guest, model: Checkpoint) -> None:
    """Refuses a checkpoint that cannot have been one of this domain; completes its document.

    Raises:
        InternalError: It does not say when it was.
        InvalidArg: It is another domain's, or the checkpoint before it is not known.
    """
    if model.creation_time is None:
        raise InternalError("missing creationTime from existing checkpoint", domain=_DOMAIN)
    if model.domain is None:
        raise InternalError("missing domain in checkpoint redefine", domain=_DOMAIN)
    complete(model.domain)
    if model.domain.uuid != guest.uuid_text:
        raise InvalidArg(
            f"definition for checkpoint {model.name} must use uuid {guest.uuid_text}",
            domain=_DOMAIN,
        )
    parent = model.parent.name if model.parent is not None else None
    if parent is not None and guest.checkpoints.get(parent) is None:
        raise InvalidArg(f"parent {parent} for moment {model.name} not found", domain=_DOMAIN)
    align_disks(model, model.domain)
