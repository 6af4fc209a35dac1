# SPDX-License-Identifier: Apache-2.0
"""Steps of sessions about pools on a device: ``/usr/bin/python3 storage_….py URI DIR DEVICE``.

Each step prints a line of JSON: its name, and its value or the code and domain of its error, with
``-v`` its words too. The device is empty at first, the directory is private to the daemon; where
they are, and times, are not shown.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import libvirt

URI, HOME, DEVICE = sys.argv[1:4]


def plain(value: Any) -> Any:
    """What JSON can hold, without what differs from run to run."""
    if isinstance(value, (libvirt.virStoragePool, libvirt.virStorageVol)):
        return [type(value).__name__, plain(value.name())]
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, str):
        text = value.replace(HOME, "HOME").replace(DEVICE, "DEVICE")
        text = text.replace(DEVICE.rpartition("/")[2], "DISK")
        text = re.sub(r"<([acmb]time)>[\d.]+<", r"<\1>T<", text)
        return re.sub(r"<uuid>[^<]+<", "<uuid>U<", text)
    return value if isinstance(value, (int, type(None))) else type(value).__name__


def step(name: str, action: Callable[[], Any]) -> Any:
    """Prints what *action* gives: a value, or the error's code and domain."""
    result = None
    try:
        result = action()
        value = plain(result)
    except libvirt.libvirtError as error:
        value = {"error": [error.get_error_code(), error.get_error_domain()]}
        if "-v" in sys.argv:
            value["message"] = str(error)
    print(json.dumps([plain(name), value]), flush=True)
    return result


def empty(device: str) -> None:
    """Nothing is known of the device any more."""
    subprocess.run(["wipefs", "-q", "-a", device], check=True)
