# SPDX-License-Identifier: Apache-2.0
"""Imports asyncio without ``ssl``, for daemons that have no TLS of their own; import it first.

asyncio takes ``ssl`` along, and with it OpenSSL: 3 MB and 15 ms of every daemon, of which those
behind UNIX sockets use nothing. It is told that there is none, which it provides for
(``except ImportError``); whoever imports ``ssl`` later gets it all the same. Only asyncio's own
``ssl=`` arguments do not work then, and nobody here uses them: TLS is in ``transport/tls.py``.
"""

from __future__ import annotations

import gc
import sys

if "asyncio" not in sys.modules and "ssl" not in sys.modules:
    gc.disable()  # a daemon begins: ``lifecycle`` enables it when all is loaded
    sys.modules["ssl"] = None  # type: ignore[assignment] # None is how an import is refused
    try:
        import asyncio  # noqa: F401 # for its effect
    finally:
        del sys.modules["ssl"]
