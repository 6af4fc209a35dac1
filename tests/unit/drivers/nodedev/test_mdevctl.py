# SPDX-License-Identifier: Apache-2.0
"""What mdevctl is told, and what it answers."""

from __future__ import annotations

import pytest

from virloom.drivers.nodedev.device import parse_device
from virloom.drivers.nodedev.mdevctl import Definition, as_json, parse_list, wanted
from virloom.errors import ConfigUnsupported, InternalError, XmlError

UUID = "11111111-2222-3333-4444-000000000001"
#: As mdevctl 1.2.0 prints it.
LISTED = b"""[
  {
    "0000:00:01.0": [
      {
        "11111111-2222-3333-4444-000000000001": {
          "mdev_type": "nvidia-11",
          "start": "auto",
          "attrs": [
            {
              "a": "1"
            },
            {
              "b": "2"
            }
          ]
        }
      }
    ],
    "0.0.0052": [{"21111111-2222-3333-4444-000000000001": {"mdev_type": "vfio_ccw-io"}}]
  }
]"""


def test_a_list_as_mdevctl_prints_it() -> None:
    assert parse_list(LISTED) == [
        Definition(UUID, "0000:00:01.0", "nvidia-11", True, (("a", "1"), ("b", "2"))),
        Definition(UUID.replace("1", "2", 1), "0.0.0052", "vfio_ccw-io"),
    ]
    assert parse_list(b"[]\n") == parse_list(b"") == []


@pytest.mark.parametrize("text", [b"{}", b'[1, {"p": 2}]', b'[{"p": [{"no-uuid": {}}]}]'])
def test_what_is_no_device_is_passed_over(text: bytes) -> None:
    assert parse_list(text) == []


def asked(inner: str) -> Definition:
    text = f"<device><parent>p</parent><capability type='mdev'>{inner}</capability></device>"
    return wanted(parse_device(text).capabilities[0])


def test_what_a_document_asks_for_is_told_as_libvirt_tells_it() -> None:
    attributes = "<attr name='a' value='1'/><attr name='b' value='2'/><attr name='c'/>"
    told = as_json(asked(f"<type id='nvidia-11'/><uuid>{UUID}</uuid>{attributes}"))
    assert told == b'{"mdev_type":"nvidia-11","start":"manual","attrs":[{"a":"1"},{"b":"2"}]}'
    assert as_json(asked("<type id='x'/>")) == b'{"mdev_type":"x","start":"manual"}'
    assert asked("<type id='x'/>").uuid == ""


@pytest.mark.parametrize("name", ["../../x", "..", "a/../b", "/a", "a/.", "./a"])
def test_names_that_would_be_other_files(name: str) -> None:
    with pytest.raises(ConfigUnsupported):
        asked(f"<type id='{name}'/>")
    with pytest.raises(ConfigUnsupported):
        asked(f"<type id='x'/><attr name='{name}' value='1'/>")


def test_attributes_may_be_in_directories() -> None:
    assert asked("<type id='x'/><attr name='a/b..c' value='1'/>").attributes == (("a/b..c", "1"),)


@pytest.mark.parametrize("attribute", ["name='' value='1'", "name='a' value=''", "name='a'"])
def test_half_an_attribute_is_none(attribute: str) -> None:
    assert asked(f"<type id='x'/><attr {attribute}/>").attributes == ()


def test_a_type_without_a_name() -> None:
    with pytest.raises(ConfigUnsupported):
        asked("<type id=''/>")


@pytest.mark.parametrize("text", [UUID.replace("-", ""), UUID.upper(), f" {UUID}\n", "0" * 32])
def test_a_uuid_as_people_write_it(text: str) -> None:
    wanted = UUID if text.strip("0") else "00000000-0000-0000-0000-000000000000"
    assert asked(f"<type id='x'/><uuid>{text}</uuid>").uuid == wanted


def test_what_is_no_uuid() -> None:
    with pytest.raises(InternalError):
        asked("<type id='x'/><uuid>zz</uuid>")


@pytest.mark.parametrize(
    "wrong",
    ["<devnode/>", "<parent wwnn='2000000000000001'/>", "<parent wwpn='1000000000000001'/>"],
)
def test_documents_that_say_half(wrong: str) -> None:
    text = f"<device>{wrong}<capability type='mdev'><type id='x'/></capability></device>"
    with pytest.raises(XmlError):
        parse_device(text)
