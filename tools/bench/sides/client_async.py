# SPDX-License-Identifier: Apache-2.0
"""Our asynchronous client of the URI in the first argument."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import virloom
from tools.bench.sides import line


def main(uri: str) -> None:
    """Serve requests; each answers the seconds of ``count`` calls."""
    with asyncio.Runner() as runner:

        async def opened() -> Any:
            return await virloom.open(uri)

        connection = runner.run(opened())
        domain = runner.run(connection.lookup_by_name("guest-00000"))

        async def open_and_close() -> None:
            await (await opened()).close()

        def repeated(action: Callable[[], Awaitable[Any]]) -> Callable[..., float]:
            async def run(count: int) -> float:
                start = time.perf_counter()
                for _ in range(count):
                    await action()
                return time.perf_counter() - start

            return lambda count: runner.run(run(count))

        line.serve(
            {
                "open": repeated(open_and_close),
                "version": repeated(connection.lib_version),
                "xml": repeated(domain.xml_desc),
                "list": repeated(connection.list_all_domains),
                "statistics": repeated(connection.all_domain_stats),
            }
        )
        runner.run(connection.close())


if __name__ == "__main__":
    main(sys.argv[1])
