# SPDX-License-Identifier: Apache-2.0
"""A client of a libvirt that does wrong what a test has ordered.

python faults.py URI
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import libvirt


def main() -> None:
    """Prints what each call gave."""
    libvirt.registerErrorHandler(lambda context, error: None, None)
    conn = libvirt.open(sys.argv[1])
    dom = conn.lookupByName("test")
    told: list[list[Any]] = []
    for _ in range(2):
        try:
            dom.suspend()
            told.append(["suspend", "gave"])
        except libvirt.libvirtError as exc:
            words = exc.get_error_message().rpartition(": ")[2]
            told.append(["suspend", exc.get_error_code(), words])
    try:
        dom.resume()
    except libvirt.libvirtError as exc:
        told.append(["resume", exc.get_error_code()])
    deadline = time.monotonic() + 10
    while conn.isAlive() and time.monotonic() < deadline:
        time.sleep(0.01)
    told.append(["alive", conn.isAlive()])
    json.dump(told, sys.stdout)


main()
