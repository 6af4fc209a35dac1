# SPDX-License-Identifier: Apache-2.0
"""``virt-xml-validate``: whether a file is what the schema of its type says.

Exit codes, as libvirt's: 0 valid; 1 a wrong command line, or no XML; 2 there is no such file;
3 not valid, or of no known type; 4 there is no such schema.

With ``lxml`` libxml2 reads our RELAX NG schemas; without it our own reader judges by the same
declarations.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from virloom.cli.documents import read_bytes
from virloom.cli.programs.arguments import VERSION, ProgramParser
from virloom.cli.reader import may_be_left
from virloom.errors import VirloomError
from virloom.model import DOCUMENTS, document_class
from virloom.xml import parse_document, parse_node
from virloom.xml.element import Element

_NAME = "virt-xml-validate"
_USAGE, _NO_FILE, _INVALID, _NO_SCHEMA = 1, 2, 3, 4

#: Names of schemas that are not those of their root elements.
_SCHEMA_NAMES = {
    "capabilities": "capability",
    "device": "nodedev",
    "domainCapabilities": "domaincaps",
    "filter": "nwfilter",
    "filterbinding": "nwfilterbinding",
    "pool": "storagepool",
    "storagepoolCapabilities": "storagepoolcaps",
    "volume": "storagevol",
}

SCHEMAS = {_SCHEMA_NAMES.get(root, root): root for root in DOCUMENTS}
"""Name of a schema → the root element of its documents."""


@may_be_left
def main(argv: Sequence[str] | None = None) -> int:
    """The program."""
    options = _parser().parse_args(argv)
    path: str = options.file
    if path != "-" and not os.path.isfile(path):
        return _fail(_NO_FILE, f"document {path} does not exist")
    try:
        data = read_bytes(path)
    except VirloomError as error:
        return _fail(_NO_FILE, error.message)
    root = SCHEMAS.get(options.schema) if options.schema else _root_of(data)
    cls = document_class(root) if root else None
    if cls is not None:
        return _judge(cls, path, data)
    if options.schema:
        known = ", ".join(sorted(SCHEMAS))
        return _fail(_NO_SCHEMA, f"schema {options.schema} does not exist; there are {known}")
    return _fail(_INVALID, f"cannot determine schema type for {path}")


def _parser() -> ProgramParser:
    parser = ProgramParser(
        _NAME,
        "Checks a file against the schema of its type.",
        (f"{_NAME} (libvirt) {VERSION}", "-V"),
    )
    parser.add_argument("file", metavar="XML-FILE", help="a document; - is standard input")
    parser.add_argument(
        "schema",
        metavar="SCHEMA-NAME",
        nargs="?",
        help=f"by default that of the root element; one of {', '.join(sorted(SCHEMAS))}",
    )
    parser.add_argument("ignored", nargs="*", help="ignored, as libvirt's program does")
    return parser


def _fail(code: int, words: str) -> int:
    print(f"{_NAME}: {words}", file=sys.stderr)
    return code


def _root_of(data: bytes) -> str | None:
    try:
        root = parse_node(data).tag
    except VirloomError:
        return None
    return root if root in DOCUMENTS else None


def _judge(cls: type[Element], path: str, data: bytes) -> int:
    try:
        parse_node(data)
    except VirloomError as error:
        return _fail(_USAGE, f"{path}: {error.detail}")
    judge = judged_by_schema if find_spec("lxml") else judged_by_reader
    wrong = judge(cls, path, data)
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        print(f"{path} fails to validate", file=sys.stderr)
        return _INVALID
    print(f"{path} validates", file=sys.stderr)
    return 0


def judged_by_schema(cls: type[Element], path: str, data: bytes) -> list[str]:
    """What libxml2 has against a document, a line each."""
    from lxml import etree  # noqa: TID251 # the extra that it is

    from virloom.model.relaxng import relaxng

    schema = etree.RelaxNG(etree.fromstring(relaxng(cls).encode()))
    reader = etree.XMLParser(resolve_entities=False, no_network=True)
    if schema.validate(etree.fromstring(data, reader)):
        return []
    return [f"{path}:{found.line}: {found.message}" for found in schema.error_log]


def judged_by_reader(cls: type[Element], path: str, data: bytes) -> list[str]:
    """The same by the reader that the schemas were made of; it stops at the first thing."""
    try:
        parse_document(cls, data, validate=True)
    except VirloomError as error:
        return [f"{path}: {error.detail}"]
    return []


if __name__ == "__main__":
    sys.exit(main())
