# SPDX-License-Identifier: Apache-2.0
"""Our synchronous client of the URI in the first argument."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import virloom
from tools.bench.sides import line


def main(uri: str) -> None:
    """Serve requests; each answers the seconds of ``count`` calls."""
    with virloom.open_sync(uri) as connection:
        domain = connection.lookup_by_name("guest-00000")

        def repeated(action: Callable[[], Any]) -> Callable[..., float]:
            return lambda count: line.timed(lambda: [action() for _ in range(count)])[0]

        line.serve(
            {
                "open": repeated(lambda: virloom.open_sync(uri).close()),
                "version": repeated(connection.lib_version),
                "xml": repeated(domain.xml_desc),
                "list": repeated(connection.list_all_domains),
                "statistics": repeated(connection.all_domain_stats),
            }
        )


if __name__ == "__main__":
    main(sys.argv[1])
