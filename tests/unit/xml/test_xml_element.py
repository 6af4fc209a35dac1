# SPDX-License-Identifier: Apache-2.0
"""Element objects: what a class body declares is what an object has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from virloom.model.domain import Address, BackingStore, Boot, Disk, Domain
from virloom.xml import Element, Node, format_document, kinds, parse_document
from virloom.xml.fields import Role, attribute
from virloom.xml.kinds import STRING


def classes(root: type[Element]) -> Iterator[type[Element]]:
    """The class and all that its fields lead to."""
    seen: set[type[Element]] = set()
    waiting = [root]
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            yield cls
            waiting += [field.cls for field in cls._fields.values() if field.cls is not None]


def test_what_is_not_given_is_absent() -> None:
    dom = Domain()
    assert (dom.name, dom.memory, dom.uuid, dom.cpu, dom.id) == ("", 0, None, None, None)
    assert dom.devices.disks == []
    assert dom.features.acpi is False
    assert dom.os.loader.value is None


def test_lists_and_groups_belong_to_their_object() -> None:
    one, other = Domain(), Domain()
    one.devices.disks.append(Disk())
    one.os.type.machine = "q35"
    assert other.devices.disks == []
    assert other.os.type.machine is None


def test_a_constructor_takes_only_fields() -> None:
    assert Boot(order=1).order == 1
    assert Domain(memory_dump_core=False).memory_dump_core is False
    with pytest.raises(TypeError, match="Boot has no field 'ordre'"):
        Boot(ordre=1)  # type: ignore[call-arg] # the misspelling is the point


def test_a_copy_is_independent() -> None:
    text = (
        "<domain type='qemu'><name>a</name><metadata><x xmlns='urn:x'/></metadata>"
        "<devices><disk><source fdgroup='f'/><target dev='vda'/></disk><tpm/></devices></domain>"
    )
    dom = parse_document(Domain, text)
    before = format_document(dom)
    made = dom.copy()
    assert format_document(made) == before
    made.devices.disks[0].target.dev = "vdb"
    made.devices.disks[0].source.extra.attributes["fdgroup"] = "g"
    made.devices.tpms[0].model = "tpm-crb"
    assert made.metadata is not None
    made.metadata.children.clear()
    made.devices.disks.append(Disk())
    assert format_document(dom) == before


def test_elements_are_compared_by_identity() -> None:
    one, twin = Disk(type="file"), Disk(type="file")
    disks = [one, twin]
    disks.remove(twin)
    assert disks == [one]


def test_a_field_of_its_own_kind_nests() -> None:
    store = BackingStore(type="file", backing_store=BackingStore(type="block"))
    assert store.backing_store is not None
    assert store.backing_store.backing_store is None


def test_fields_of_a_base_come_in_their_order() -> None:
    class Named(Element):
        name: str | None = attribute(STRING, order=1)

    class Sized(Named):
        tag = "sized"
        size: str | None = attribute(STRING)

    assert format_document(Sized(name="n", size="s")) == "<sized size='s' name='n'/>\n"


def test_an_address_writes_what_its_type_has() -> None:
    address = Address(type="pci", domain=0, bus=1, slot=2, function=3, unit=9, multifunction=True)
    disk = Disk(address=address)
    assert (
        "<address type='pci' domain='0x0000' bus='0x01' slot='0x02' function='0x3'"
        " multifunction='on'/>"
    ) in format_document(disk)
    address.type = "drive"
    address.controller = 0
    assert "<address type='drive' controller='0' bus='1' unit='9'/>" in format_document(disk)


def test_every_name_of_the_document_is_declared_once_per_element() -> None:
    for cls in classes(Domain):
        written = [(field.role is Role.ATTRIBUTE, field.name) for field in cls._fields.values()]
        assert len(written) == len(set(written)), cls


OF_ALL_ADDRESSES = (
    *("@base", "@controller", "@cssid", "@devno", "@iobase", "@irq", "@port", "@reg", "@ssid"),
    *("@target", "@unit", "zpci"),
)


def test_every_declared_name_is_in_libvirts_schema() -> None:
    """Names come from the schema; what it lacks is listed with the reason."""
    from virloom.model.schema import schema

    known = schema("domain")
    # An <acpi> or <alias> libvirt 9.0.0 reads and writes for every device, of a bandwidth group it
    # shows the id; what is newer than it is declared with its version.
    beyond = {
        "domain/cputune/memorytune/@id",
        "domain/@xmlns:qemu",
        # libvirt 9.0.0 reads and writes them, too.
        "domain/devices/filesystem/source/@pool",
        "domain/devices/filesystem/source/@volume",
        # A host device's address has the fields of all addresses.
        *(f"domain/devices/interface/source/address/{name}" for name in OF_ALL_ADDRESSES),
        "domain/devices/channel/acpi",
        "domain/devices/hostdev/driver/@iommufd",
        "domain/devices/hostdev/driver/@model",
        "domain/devices/hostdev/source/@missing",
        "domain/devices/hostdev/source/address/zpci",
        "domain/devices/hub/acpi",
        "domain/devices/memory/target/@dynamicMemslots",
        "domain/devices/nvram/acpi",
        "domain/devices/nvram/alias",
        "domain/devices/redirdev/acpi",
        "domain/devices/smartcard/alias",
        "domain/devices/tpm/acpi",
        "domain/devices/tpm/backend/@debug",
        "domain/devices/tpm/backend/profile",
        "domain/devices/panic/acpi",
    }
    missing: list[str] = []

    def walk(cls: type[Element], path: str, above: tuple[type[Element], ...]) -> None:
        for field in cls._fields.values():
            if field.since:
                continue  # A later release brought it; the schema here is 9.0.0's.
            if field.role is Role.ATTRIBUTE:
                declares = field.name.startswith("xmlns:")
                if not declares and not known.knows_attribute(path, field.name):
                    missing.append(f"{path}/@{field.name}")
            elif field.role is not Role.CONTENT:
                below = f"{path}/{field.name.rpartition(':')[2]}"
                if not known.knows_element(below):
                    missing.append(below)
                elif field.cls is not None and field.cls not in above:
                    walk(field.cls, below, (*above, cls))

    walk(Domain, "domain", ())
    assert [path for path in missing if path not in beyond] == []


def test_node_equality_is_by_content() -> None:
    assert Node("a", {"x": "1"}, ["t"]) == Node("a", {"x": "1"}, ["t"])
    assert Node("a") != Node("a", {}, ["t"])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.INT, "-2147483647", -2147483647),
        (kinds.INT, "2147483648", "an integer of 32 bits"),
        (kinds.INT, "1e3", "an integer"),
        (kinds.LONG, "-9223372036854775807", -9223372036854775807),
        (kinds.LONG, "9223372036854775808", "an integer of 64 bits"),
        (kinds.LONG, "--1", "an integer"),
        (kinds.UINT_ANY_BASE, "0x10", 16),
        (kinds.UINT_ANY_BASE, "010", 8),
        (kinds.UINT_ANY_BASE, "0x_1", "a non-negative integer"),
        (kinds.UINT_ANY_BASE, "0x10000000000000000", "a non-negative integer of 64 bits"),
        (kinds.UINT_ANY_BASE, "09", "a non-negative integer of 64 bits"),
    ],
)
def test_numbers_have_bounds(kind: kinds.Kind[int], text: str, value: int | str) -> None:
    assert kind.parse is not None
    if isinstance(value, int):
        assert kind.parse(text) == value
        return
    with pytest.raises(ValueError, match=value):
        kind.parse(text)
