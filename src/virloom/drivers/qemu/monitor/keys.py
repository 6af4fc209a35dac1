# SPDX-License-Identifier: Apache-2.0
"""Key codes of other worlds to QEMU's key numbers ("qnum").

A qnum is the scan code of PC keyboards (set 1), with 0x80 for the prefix byte 0xE0. The facts:
Linux' key codes from ``linux/input-event-codes.h``; their scan codes from the kernel's XT keyboard
driver (0x100 for the prefix); USB usages from the HID usage tables, page 0x07.
"""

from __future__ import annotations

from functools import cache

from virloom.enums.domain import KeycodeSet
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, InternalError

_PREFIX = 0x100

#: Linux key codes up to here are the scan codes themselves, but for those left out.
_SAME_UP_TO = 88
_NOT_SAME = frozenset({85})

#: Linux key code to scan code.
_SCAN_CODES = {
    85: 0x76, 89: 0x73, 90: 0x78, 91: 0x77, 92: 0x79, 93: 0x70, 94: 0x7B, 95: 0x5C,
    96: 0x11C, 97: 0x11D, 98: 0x135, 99: 0x54, 100: 0x138, 101: 0x5B, 102: 0x147, 103: 0x148,
    104: 0x149, 105: 0x14B, 106: 0x14D, 107: 0x14F, 108: 0x150, 109: 0x151, 110: 0x152,
    111: 0x153, 112: 0x16F, 113: 0x120, 114: 0x12E, 115: 0x130, 116: 0x15E, 117: 0x59,
    118: 0x14E, 119: 0x146, 120: 0x10B, 121: 0x7E, 123: 0x10D, 124: 0x7D, 125: 0x15B,
    126: 0x15C, 127: 0x15D, 128: 0x168, 129: 0x105, 130: 0x106, 131: 0x107, 132: 0x10C,
    133: 0x178, 134: 0x64, 135: 0x65, 136: 0x141, 137: 0x13C, 138: 0x175, 139: 0x11E,
    140: 0x121, 141: 0x66, 142: 0x15F, 143: 0x163, 144: 0x67, 145: 0x68, 146: 0x69, 147: 0x113,
    148: 0x11F, 149: 0x117, 150: 0x102, 151: 0x6A, 152: 0x112, 153: 0x6B, 154: 0x126,
    155: 0x16C, 156: 0x166, 157: 0x16B, 158: 0x16A, 159: 0x169, 160: 0x123, 161: 0x6C,
    162: 0x17D, 163: 0x119, 164: 0x122, 165: 0x110, 166: 0x124, 167: 0x131, 168: 0x118,
    169: 0x63, 170: 0x70, 171: 0x101, 172: 0x132, 173: 0x167, 174: 0x71, 175: 0x72, 176: 0x108,
    177: 0x75, 178: 0x10F, 179: 0x176, 180: 0x17B, 181: 0x109, 182: 0x10A, 183: 0x5D,
    184: 0x5E, 185: 0x5F, 186: 0x55, 187: 0x103, 188: 0x177, 189: 0x104, 190: 0x5A, 191: 0x74,
    192: 0x179, 193: 0x6D, 194: 0x6F,
}  # fmt: skip

#: Linux key codes of the USB usages from 4 on; 0 is no key.
_USB_FROM_4 = (
    30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19, 31, 20, 22, 47, 17,
    45, 21, 44, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28, 1, 14, 15, 57, 12, 13, 26, 27, 43, 43, 39,
    40, 41, 51, 52, 53, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 87, 88, 99, 70, 119, 110,
    102, 104, 111, 107, 109, 106, 105, 108, 103, 69, 98, 55, 74, 78, 96, 79, 80, 81, 75, 76, 77,
    71, 72, 73, 82, 83, 86, 127, 116, 117, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193,
    194, 134, 138, 130, 132, 128, 129, 131, 137, 133, 135, 136, 113, 115, 114, 0, 0, 0, 121, 0,
    89, 93, 124, 92, 94, 95,
)  # fmt: skip

#: Linux key codes of the USB modifiers from 224 on.
_USB_FROM_224 = (29, 42, 56, 125, 97, 54, 100, 126)


def to_qnum(codeset: KeycodeSet, code: int) -> int:
    """QEMU's number of the key that is *code* in *codeset*.

    Raises:
        InternalError: There is no such key, as libvirt says it.
        ArgumentUnsupported: We have no table of *codeset*.
    """
    if codeset is KeycodeSet.QNUM:
        return code
    scan_code = _table(codeset).get(code)
    if scan_code is None:
        raise InternalError(
            f"cannot translate keycode {code} of {codeset.name.lower()} codeset to qnum keycode",
            domain=ErrorDomain.QEMU,
        )
    return scan_code & 0x7F | (0x80 if scan_code & _PREFIX else 0)


@cache
def _table(codeset: KeycodeSet) -> dict[int, int]:
    """The scan codes of a code set's keys."""
    if codeset is KeycodeSet.LINUX:
        same = {code: code for code in range(1, _SAME_UP_TO + 1) if code not in _NOT_SAME}
        return same | _SCAN_CODES
    linux = _table(KeycodeSet.LINUX)
    if codeset in (KeycodeSet.XT, KeycodeSet.ATSET1):
        return {code: code for code in linux.values() if code < _PREFIX}
    if codeset is KeycodeSet.XT_KBD:
        return {code: code for code in linux.values()}
    if codeset is KeycodeSet.USB:
        usages = [*enumerate(_USB_FROM_4, 4), *enumerate(_USB_FROM_224, 224)]
        return {usage: linux[key] for usage, key in usages if key in linux}
    raise ArgumentUnsupported(
        f"keys of the codeset '{codeset.name.lower()}' are not known",
        domain=ErrorDomain.QEMU,
        remedy="use linux, xt, atset1, xt_kbd, usb or qnum",
    )
