# SPDX-License-Identifier: Apache-2.0
"""Import one module, named by the first argument, in a fresh interpreter, and print the seconds."""

from __future__ import annotations

import importlib
import sys
import time

start = time.perf_counter()
importlib.import_module(sys.argv[1])
print(time.perf_counter() - start)
