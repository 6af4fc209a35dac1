# SPDX-License-Identifier: Apache-2.0
"""A session on the test driver: what each step gave, as JSON.

python session.py AREA DIRECTORY
"""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib import import_module

import libvirt
from steps import Steps


def loop() -> None:
    """Turns the event loop for good."""
    while True:
        libvirt.virEventRunDefaultImpl()


def main() -> None:
    """The session of one area, in a process of its own: what it changes nobody else sees."""
    area, directory = sys.argv[1:3]
    uri = sys.argv[3] if len(sys.argv) > 3 else "test:///default"
    libvirt.registerErrorHandler(lambda context, error: None, None)
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=loop, daemon=True).start()
    steps = Steps(libvirt.open(uri))
    import_module(area).session(steps, steps.conn, directory)
    json.dump(steps.rows, sys.stdout, default=str)
    sys.stdout.flush()
    os._exit(0)


main()
