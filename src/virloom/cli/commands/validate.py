# SPDX-License-Identifier: Apache-2.0
"""``virloom validate``: whether a file is a domain document, and what of it would not start."""

from __future__ import annotations

import argparse
import sys

from virloom.cli.documents import read_domain
from virloom.drivers.qemu.validate.served import not_served
from virloom.errors import SystemFailure, VirloomError
from virloom.model.domain import unmodelled

_EPILOG = """\
exit code: 0 valid; 1 not valid, with the path of what is wrong; 2 the file cannot be read
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument("document", metavar="FILE", help="a domain document; - is standard input")


def execute(options: argparse.Namespace) -> int:
    """Check the document by the schema."""
    try:
        domain = read_domain(options.document, validate=True)
    except SystemFailure:
        raise
    except VirloomError as error:
        print(f"virloom validate: {error.message}", file=sys.stderr)
        return 1
    print(f"{options.document}: valid")
    for path in [*unmodelled(domain), *not_served(domain)]:
        print(f"{options.document}: '{path}' is known to libvirt, but no guest with it starts yet")
    return 0
