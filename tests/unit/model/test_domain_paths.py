# SPDX-License-Identifier: Apache-2.0
"""Every path that libvirt's schema has outside <devices> is a field of the model."""

from __future__ import annotations

from virloom.model.domain import Domain
from virloom.model.schema_paths import PATHS
from virloom.xml.element import Element
from virloom.xml.fields import Role

#: Kept word for word: elements of applications and of other hypervisors.
VERBATIM = (
    "domain/metadata/",
    "domain/namespace/",
    "domain/datacenterpath",
)
#: libvirt's own reader takes no notice of it.
UNREAD = {"domain/launchSecurity/handle"}
#: Read and written by the class itself, for amounts whose unit stands beside them.
AMOUNTS = {
    "domain/memoryBacking/hugepages/page": ("size", "unit"),
    "domain/cpu/numa/cell": ("memory", "unit"),
}


def _declared(cls: type[Element], path: str, found: set[str]) -> None:
    found.add(path)
    if any(field.role is Role.CONTENT for field in cls._fields.values()):
        found.add(f"{path}/@unit")
    found |= {f"{path}/@{name}" for name in AMOUNTS.get(path, ())}
    for field in cls._fields.values():
        name = field.name.rpartition(":")[2]
        if field.role is Role.ATTRIBUTE:
            found.add(f"{path}/@{field.name}")
        elif field.role is not Role.CONTENT and name != "devices":
            below = f"{path}/{name}"
            found.add(below)
            if field.kind.amount is not None:
                found.add(f"{below}/@unit")
            found |= {f"{below}/@{beside}" for beside in field.beside or ()}
            if field.cls is not None and field.cls is not cls:
                _declared(field.cls, below, found)


def test_no_path_outside_devices_is_left_out() -> None:
    found: set[str] = set()
    _declared(Domain, "domain", found)
    wanted = [
        name
        for path, attributes in PATHS["domain"].items()
        if not path.startswith(("domain/devices", *VERBATIM))
        for name in (path, *(f"{path}/@{attribute}" for attribute in attributes.split()))
    ]
    assert len(wanted) > 500
    missing = [name for name in wanted if name not in found and name not in UNREAD]
    print("not represented:", *missing, sep="\n  ")
    assert [name for name in missing if not name.startswith("domain/os/nvram/source/")] == []
