# SPDX-License-Identifier: Apache-2.0
"""One target under atheris: ``python -m tools.fuzz.child TARGET LIBFUZZER-OPTION…``."""

from __future__ import annotations

import logging
import sys

import atheris


def main() -> None:
    """Fuzz until an option of libFuzzer's says stop, or a bug is found."""
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["virloom"]):
        from tools.fuzz import planted, targets
    logging.disable(logging.CRITICAL)  # a line for each of a million bad frames tells nothing
    chosen = planted.planted if name == "planted" else targets.TARGETS[name]
    atheris.Setup([sys.argv[0], *options], chosen)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
