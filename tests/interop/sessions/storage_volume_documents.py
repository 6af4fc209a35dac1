# SPDX-License-Identifier: Apache-2.0
"""Volumes made of documents, one by one: ``/usr/bin/python3 … URI DIR LOG``.

Each prints a line of JSON: its name, and the document that the daemon gives back or the code and
domain of its error; with what ``qemu-img`` was run to make, which the file LOG has.
"""

from __future__ import annotations

import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import libvirt
from volume_documents import volumes

HOME, LOG = sys.argv[2], Path(sys.argv[3])
POOL = f"<pool type='dir'><name>p</name><target><path>{HOME}</path></target></pool>"
#: Units that ``qemu-img`` may be told sizes in.
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

#: Two ways to say the same.
_OTHERWISE = {
    "compat=v2": "compat=0.10", "compat=v3": "compat=1.1", "lazy_refcounts": "lazy_refcounts=on",
    "extended_l2": "extended_l2=on",
}  # fmt: skip


def plain(text: str) -> str:
    """A document without what differs from run to run, sizes of images included."""
    text = re.sub(r"<([acmb]time)>[\d.]+<", r"<\1>T<", text.replace(HOME, "HOME"))
    if "type='qcow2'" in text:
        text = re.sub(r"(<(allocation|physical) unit='bytes'>)\d+", r"\1N", text)
    return text


def made() -> list[object]:
    """What was made by ``qemu-img``: format, options, size in bytes, what lies below."""
    found: list[object] = []
    for line in LOG.read_text().splitlines():
        words = json.loads(line)
        if "create" not in words:
            continue
        options: set[str] = set()
        below = kind = ""
        for flag, value in pairwise(words):
            if flag == "-o":
                options |= set(value.split(","))
            below = value if flag == "-b" else below
            kind = value if flag == "-f" else kind
        for option in list(options):
            name, _, value = option.partition("=")
            if name in ("backing_file", "backing_fmt"):
                below = value if name == "backing_file" else below
                options.discard(option)
            elif option in _OTHERWISE:
                options.remove(option)
                options.add(_OTHERWISE[option])
        size = re.fullmatch(r"(\d+)([KMG]?)", words[-1])
        bytes_ = int(size[1]) * _UNITS[size[2]] if size else words[-1]
        found.append([kind, sorted(options), bytes_, below.replace(HOME, "HOME")])
    LOG.write_text("")
    return found


def main() -> None:
    conn = libvirt.open(sys.argv[1])
    libvirt.registerErrorHandler(lambda *_: None, None)
    pool = conn.storagePoolCreateXML(POOL)
    LOG.write_text("")
    for name, text in volumes(HOME).items():
        try:
            volume = pool.createXML(text)
            value: object = plain(volume.XMLDesc())
            volume.delete()
        except libvirt.libvirtError as error:
            value = [error.get_error_code(), error.get_error_domain()]
        images = made()
        print(json.dumps([name, value, images if isinstance(value, str) else []]))
    pool.destroy()


main()
