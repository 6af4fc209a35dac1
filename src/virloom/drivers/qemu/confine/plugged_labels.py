# SPDX-License-Identifier: Apache-2.0
"""SELinux labels of the files that a device brings to a guest which runs.

QEMU is handed most of them open, and the kernel asks for their labels all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.confine.labels import relabelling
from virloom.drivers.qemu.confine.owners import label_of, owned_files
from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure
from virloom.model.domain import Domain
from virloom.security import selinux

_MODEL = "selinux"


def plan_plugged(
    only: Domain,
    chains: Mapping[str, tuple[ImageLayer, ...]],
    alias: str,
    listed: Iterable[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """What the guest's record lists before the files of a device are labelled.

    Args:
        only: The guest, whose label is known, with no other device.
        chains: Backing chain by alias of its disk.
        alias: Of the device.
        listed: Resources of the record: what another device of the guest has stays as it is.
    """
    label = label_of(only, _MODEL)
    if label is None or label.type == "none" or not label.relabel:
        return []
    files = [file for file in owned_files(only, chains, model=_MODEL) if file.alias == alias]
    given = {item["path"] for item in listed if item["kind"] == _MODEL}
    planned = relabelling(files, label).resources
    return [item | {"alias": alias} for item in planned if item["path"] not in given]


def label_files(planned: Iterable[Mapping[str, Any]]) -> None:
    """Labels the files that are listed.

    Raises:
        SystemFailure: One cannot be labelled.
    """
    for item in planned:
        try:
            selinux.relabel(item["path"], item["label"])
        except OSError as exc:
            raise system_failure(
                f"cannot give '{item['path']}' the label '{item['label']}'",
                exc,
                domain=ErrorDomain.SECURITY,
            ) from exc
