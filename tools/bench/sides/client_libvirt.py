# SPDX-License-Identifier: Apache-2.0
"""python3-libvirt as a client of the URI in the first argument."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from tools.bench.sides import line

libvirt: Any = importlib.import_module("libvirt")


def main(uri: str) -> None:
    """Serve requests; each answers the seconds of ``count`` calls."""
    connection = libvirt.open(uri)
    domain = connection.lookupByName("guest-00000")

    def repeated(action: Callable[[], Any]) -> Callable[..., float]:
        return lambda count: line.timed(lambda: [action() for _ in range(count)])[0]

    line.serve(
        {
            "open": repeated(lambda: libvirt.open(uri).close()),
            "version": repeated(connection.getLibVersion),
            "info": repeated(domain.info),
            "xml": repeated(domain.XMLDesc),
            "list": repeated(connection.listAllDomains),
            "statistics": repeated(connection.getAllDomainStats),
        }
    )


if __name__ == "__main__":
    main(sys.argv[1])
