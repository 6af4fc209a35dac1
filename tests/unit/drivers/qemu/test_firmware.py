# SPDX-License-Identifier: Apache-2.0
"""The choice of firmware among descriptors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from virloom.drivers.qemu.directories import Directories
from virloom.drivers.qemu.firmware import (
    choose_firmware,
    choose_template,
    complete_loader,
    nvram_path,
)
from virloom.errors import OperationFailed, OperationInvalid
from virloom.model.domain import Domain
from virloom.xml import parse_document

KEYS = ["acpi-s3", "enrolled-keys", "requires-smm", "secure-boot"]


def descriptor(code: str, features: list[str], machine: str = "pc-q35-*") -> dict[str, Any]:
    return {
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": code, "format": "raw"},
            "nvram-template": {"filename": f"{code}.vars", "format": "raw"},
        },
        "targets": [{"architecture": "x86_64", "machines": [machine]}],
        "features": features,
    }


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """As Debian's ovmf has them: enrolled keys first, plain last."""
    vendor, host = tmp_path / "vendor", tmp_path / "host"
    vendor.mkdir()
    host.mkdir()
    write(vendor, "40-keys.json", descriptor("/fw/keys", KEYS))
    write(vendor, "50-secure.json", descriptor("/fw/secure", ["requires-smm", "secure-boot"]))
    write(vendor, "60-plain.json", descriptor("/fw/plain", ["acpi-s3"]))
    return [vendor, host]


def write(place: Path, name: str, data: object) -> None:
    (place / name).write_text(json.dumps(data))


def domain(os: str = "", attribute: str = " firmware='efi'", features: str = "") -> Domain:
    return parse_document(
        Domain,
        f"<domain type='qemu'><name>g</name><os{attribute}>"
        f"<type arch='x86_64' machine='pc-q35-7.2'>hvm</type>{os}</os>"
        f"<features><acpi/>{features}</features></domain>",
    )


HOME = Directories.embedded(Path("/r"))


def chosen(dom: Domain, places: list[Path]) -> str | None:
    choose_firmware(dom, HOME, places)
    return dom.os.loader.value


def test_the_first_that_fits_with_all_that_follows_from_it(places: list[Path]) -> None:
    dom = domain()
    assert chosen(dom, places) == "/fw/keys"
    loader = dom.os.loader
    assert (loader.type, loader.readonly, loader.secure) == ("pflash", True, True)
    assert dom.os.nvram.template == "/fw/keys.vars"
    assert dom.os.nvram.value == "/r/lib/qemu/nvram/g_VARS.fd"
    assert dom.features.smm is not None
    assert dom.features.smm.state is True
    assert dom.os.firmware is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("<firmware><feature enabled='no' name='enrolled-keys'/></firmware>", "/fw/secure"),
        ("<firmware><feature enabled='no' name='secure-boot'/></firmware>", "/fw/plain"),
        ("<firmware><feature enabled='yes' name='secure-boot'/></firmware>", "/fw/keys"),
        ("<loader secure='yes'/>", "/fw/keys"),
    ],
)
def test_features_that_are_asked_for(places: list[Path], asked: str, expected: str) -> None:
    assert chosen(domain(asked), places) == expected


def test_a_later_place_replaces_and_hides(places: list[Path]) -> None:
    (places[1] / "40-keys.json").write_text("")
    write(places[1], "50-secure.json", descriptor("/etc/fw", []))
    assert chosen(domain(), places) == "/etc/fw"


def test_a_broken_descriptor_is_left_out(
    places: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    (places[1] / "10-broken.json").write_text("{")
    write(places[1], "11-short.json", {"features": []})
    assert chosen(domain(), places) == "/fw/keys"
    assert "10-broken.json" in caplog.text
    assert "11-short.json" in caplog.text


def test_the_variables_that_the_document_names_are_kept(places: list[Path]) -> None:
    dom = domain("<nvram>/mine.fd</nvram>")
    choose_firmware(dom, HOME, places)
    assert dom.os.nvram.value == "/mine.fd"


def test_none_fits_and_each_says_why(places: list[Path]) -> None:
    asked = "<loader secure='yes'/><firmware><feature enabled='no' name='secure-boot'/></firmware>"
    with pytest.raises(
        OperationFailed, match=r"40-keys\.json has secure-boot.*60-plain\.json lacks"
    ):
        choose_firmware(domain(asked), HOME, places)


def test_none_is_installed(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="ovmf"):
        choose_firmware(domain(), HOME, [tmp_path / "nowhere"])


def test_smm_that_is_turned_off(places: list[Path]) -> None:
    with pytest.raises(OperationInvalid, match="SMM"):
        choose_firmware(domain(features="<smm state='off'/>"), HOME, places)


LOADER = "<loader readonly='yes' type='pflash'>{}</loader>"


def test_an_explicit_loader_gets_variables_when_defined_and_a_template_when_started(
    places: list[Path],
) -> None:
    dom = domain(LOADER.format("/fw/plain"), "")
    complete_loader(dom, HOME)
    assert dom.os.nvram.value == "/r/lib/qemu/nvram/g_VARS.fd"
    assert dom.os.nvram.template is None
    choose_firmware(dom, HOME, places)
    assert dom.os.nvram.template is None  # a command line needs none
    choose_template(dom, HOME, places)
    assert dom.os.nvram.template == "/fw/plain.vars"


def test_an_explicit_loader_without_a_known_template(places: list[Path]) -> None:
    dom = domain(LOADER.format("/opt/code"), "")
    complete_loader(dom, HOME)
    with pytest.raises(OperationFailed, match=r"'/opt/code'.*template"):
        choose_template(dom, HOME, places)


def test_a_bios_has_no_variables(places: list[Path]) -> None:
    dom = domain("<loader>/bios.bin</loader>", "")
    complete_loader(dom, HOME)
    choose_firmware(dom, HOME, places)
    assert (dom.os.loader.type, dom.os.nvram.value) == ("rom", None)
    assert nvram_path(dom, HOME) is None
    assert nvram_path(domain(), HOME) == "/r/lib/qemu/nvram/g_VARS.fd"
