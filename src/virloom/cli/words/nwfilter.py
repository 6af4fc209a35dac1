# SPDX-License-Identifier: Apache-2.0
"""Network filters, and their bindings to interfaces."""

from __future__ import annotations

from virloom.cli.shell import finding
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.deeds import Editor, Words, deed, editor, maker, printer
from virloom.cli.shell.listing import listing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session

maker(
    "nwfilter-define",
    lambda connection, text, flags: connection.nwfilters.define_xml(text, flags),
    lambda nwfilter: nwfilter.name,
    Words(
        "Define a network filter, or change one, by a document in a file.",
        "Network filter {0} defined from {1}",
        "Failed to define network filter from {}",
    ),
)
deed(
    "nwfilter-undefine",
    finding.nwfilter,
    lambda nwfilter, arguments: nwfilter.undefine(),
    Words(
        "Forget a network filter.",
        "Network filter {} undefined",
        "Failed to undefine network filter {}",
    ),
)
printer(
    "nwfilter-dumpxml",
    finding.nwfilter,
    lambda nwfilter, arguments: nwfilter.xml_desc(),
    "Print a network filter's document.",
)
editor(
    "nwfilter-edit",
    finding.nwfilter,
    Editor(
        "Network filter {}",
        0,
        lambda connection, text, validate: connection.nwfilters.define_xml(text),
    ),
    "Change a network filter's document in an editor.",
)
maker(
    "nwfilter-binding-create",
    lambda connection, text, flags: connection.nwfilter_bindings.create_xml(text, flags),
    lambda binding: binding.port_dev,
    Words(
        "Put a network filter on an interface by a document in a file.",
        "Network filter binding on {0} created from {1}",
        "Failed to create network filter from {}",
    ),
)
deed(
    "nwfilter-binding-delete",
    finding.binding,
    lambda binding, arguments: binding.delete(),
    Words(
        "Take the network filter off an interface.",
        "Network filter binding on {} deleted",
        "Failed to delete network filter binding on {}",
    ),
)
printer(
    "nwfilter-binding-dumpxml",
    finding.binding,
    lambda binding, arguments: binding.xml_desc(),
    "Print the document of a network filter's binding.",
)


@command("nwfilter-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List the network filters."""
    connection = await session.connection()
    counting = "Failed to count network filters", "virConnectNumOfNWFilters"
    with listing("Failed to list network filters", *counting):
        found = await connection.nwfilters.list()
    found.sort(key=lambda nwfilter: nwfilter.name)
    session.output.table(["UUID", "Name"], [[str(one.uuid), one.name] for one in found])


@command("nwfilter-binding-list")
async def list_bindings(session: Session, arguments: Arguments) -> None:
    """List the interfaces that have a network filter."""
    connection = await session.connection()
    with listing("Failed to list network filter bindings"):
        found = await connection.nwfilter_bindings.list()
    found.sort(key=lambda binding: binding.port_dev)
    rows = [[binding.port_dev, binding.filter_name] for binding in found]
    session.output.table(["Port Dev", "Filter"], rows)
