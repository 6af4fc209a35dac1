# SPDX-License-Identifier: Apache-2.0
"""The vital product data of a PCI device (PCI Local Bus 3.0, appendix I).

It is a list of resources, each with a tag and a length: a name, fields that are only read, fields
that are written, an end. A field has two letters, a length and its value. The device wrote it, so
nothing of it is believed: data that are cut off, or whose sum is wrong, are no data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from virloom.model.nodedev import NestedCapability, VitalField, VitalFields

_LARGE = 0x80
_NAME, _READ_ONLY, _READ_WRITE, _END = 0x02, 0x10, 0x11, 0x0F
#: The byte that makes the sum of everything up to it zero; the rest of the fields is filling.
_SUM = "RV"
_FILLING = "RW"
_WORDS = {
    "EC": "change_level",
    "MN": "manufacture_id",
    "PN": "part_number",
    "SN": "serial_number",
    "YA": "asset_tag",
}
_VENDORS = re.compile(r"V[0-9A-Z]")
_SYSTEMS = re.compile(r"Y[0-9B-Z]")
_TEXT = re.compile(rb"[ -~]*")


class _Unusable(Exception):
    """What is there is no vital product data."""


def vital_capability(data: bytes) -> NestedCapability | None:
    """``<capability type='vpd'>``; None where the data are none."""
    capability = NestedCapability(type="vpd")
    try:
        _read(data, capability)
    except _Unusable:
        return None
    return capability if capability.fields else None


def _read(data: bytes, capability: NestedCapability) -> None:
    for tag, start, end in _resources(data):
        if tag == _NAME:
            capability.name = _text(data[start:end])
            if capability.name is None:
                raise _Unusable
        elif tag == _READ_ONLY:
            capability.fields = [_read_only(data, start, end)]
        elif tag == _READ_WRITE and capability.fields:
            written = _read_write(data, start, end)
            if written.asset_tag is not None or written.vendor_fields or written.system_fields:
                capability.fields.append(written)
    if capability.name is None:
        raise _Unusable


def _resources(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Tag, begin and end of each.

    Raises:
        _Unusable: There is no end.
    """
    at = 0
    while at < len(data):
        first = data[at]
        if first & _LARGE:
            tag, length = first & 0x7F, int.from_bytes(data[at + 1 : at + 3], "little")
            at += 3
        else:
            tag, length = first >> 3, first & 7
            at += 1
        if tag == _END:
            return
        if at + length > len(data):
            break
        yield tag, at, at + length
        at += length
    raise _Unusable


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Letters, begin and end of the value of each.

    Raises:
        _Unusable: One is cut off.
    """
    at = start
    while at + 3 <= end:
        letters, length = data[at : at + 2].decode("latin-1"), data[at + 2]
        if at + 3 + length > end:
            raise _Unusable
        yield letters, at + 3, at + 3 + length
        at += 3 + length
    if at != end:
        raise _Unusable


def _read_only(data: bytes, start: int, end: int) -> VitalFields:
    found = VitalFields(access="readonly")
    for letters, begin, stop in _fields(data, start, end):
        if letters == _SUM:
            if begin == stop or sum(data[: begin + 1]) & 0xFF:
                raise _Unusable
            return found
        text = _text(data[begin:stop])
        if text is None:
            continue
        if letters in _WORDS and letters != "YA":
            setattr(found, _WORDS[letters], text)
        elif _VENDORS.fullmatch(letters):
            _put(found.vendor_fields, letters, text)
    raise _Unusable  # it has no sum


def _read_write(data: bytes, start: int, end: int) -> VitalFields:
    found = VitalFields(access="readwrite")
    for letters, begin, stop in _fields(data, start, end):
        if letters == _FILLING:
            break
        text = _text(data[begin:stop])
        if text is None:
            continue
        if letters == "YA":
            found.asset_tag = text
        elif _VENDORS.fullmatch(letters):
            _put(found.vendor_fields, letters, text)
        elif _SYSTEMS.fullmatch(letters):
            _put(found.system_fields, letters, text)
    return found


def _put(fields: list[VitalField], letters: str, text: str) -> None:
    """Adds a field, or gives one that is there another text."""
    for field in fields:
        if field.index == letters[1]:
            field.text = text
            return
    fields.append(VitalField(index=letters[1], text=text))


def _text(value: bytes) -> str | None:
    """What can be printed, up to a zero; None of anything else."""
    value = value.partition(b"\0")[0]
    return value.decode("ascii").strip() if _TEXT.fullmatch(value) else None
