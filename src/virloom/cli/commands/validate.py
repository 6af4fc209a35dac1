# SPDX-License-Identifier: Apache-2.0
"""``virloom validate``: whether a file is a valid document, and what of it would not start."""

from __future__ import annotations

import argparse
import sys

from virloom.cli.documents import read_valid
from virloom.drivers.qemu.validate.served import not_served
from virloom.errors import SystemFailure, VirloomError
from virloom.model import DOCUMENTS, document_class
from virloom.model.domain import Domain, unmodelled

_EPILOG = """\
exit code: 0 valid; 1 not valid, with the path of what is wrong; 2 the file cannot be read
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "document", metavar="FILE", nargs="?", help="a document of any type; - is standard input"
    )
    what.add_argument(
        "--rng",
        metavar="TYPE",
        choices=tuple(DOCUMENTS),
        help=f"print the RELAX NG schema of a document type instead: {', '.join(DOCUMENTS)}",
    )


def execute(options: argparse.Namespace) -> int:
    """Check the document, or print the schema."""
    return _schema(options.rng) if options.rng else _check(options.document)


def _schema(root: str) -> int:
    from virloom.model.relaxng import relaxng

    cls = document_class(root)
    assert cls is not None
    print(relaxng(cls), end="")
    return 0


def _check(path: str) -> int:
    try:
        document = read_valid(path)
    except SystemFailure:
        raise
    except VirloomError as error:
        print(f"virloom validate: {error.message}", file=sys.stderr)
        return 1
    print(f"{path}: valid")
    if isinstance(document, Domain):
        for name in [*unmodelled(document), *not_served(document)]:
            print(f"{path}: '{name}' is known to libvirt, but no guest with it starts yet")
    return 0
