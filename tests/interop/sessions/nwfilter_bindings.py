# SPDX-License-Identifier: Apache-2.0
"""A session about filters at work, by libvirt's binding: ``/usr/bin/python3 THIS URI``.

It has a link ``vnet0``. Each step prints a line of JSON: its name, and its value or the code and
domain of its error. What differs on purpose is not here, see ``docs/reference/virtnwfilterd.rst``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import libvirt

UUID = "11111111-2222-3333-4444-555555555555"
OWNER = f"<owner><name>guest</name><uuid>{UUID}</uuid></owner>"
PORT, MAC = "<portdev name='vnet0'/>", "<mac address='52:54:00:00:00:01'/>"

#: Documents of filters by name.
FILTERS = {
    "b-plain": "<rule action='drop' direction='in'><ip srcipaddr='10.9.9.9'/></rule>",
    "b-over": "<filterref filter='b-plain'/>",
    "b-lost": "<filterref filter='b-nowhere'/>",
    "b-value": "<rule action='drop' direction='in'><ip srcipaddr='$X'/></rule>",
    "b-two": "<rule action='drop' direction='in'><ip srcipaddr='$X' dstipaddr='$IP'/></rule>",
    "b-ip": "<rule action='drop' direction='in'><ip srcipaddr='$IP'/></rule>",
    "b-mac": "<rule action='drop' direction='in'><mac srcmacaddr='$MAC'/></rule>",
}


def parameter(name: str, value: str) -> str:
    return f"<parameter name='{name}' value='{value}'/>"


def refer(name: str, *parameters: str) -> str:
    return f"<filterref filter='{name}'>{''.join(parameters)}</filterref>"


def document(*parts: str) -> str:
    """A binding's document; those of its parts that are not said are usual ones."""
    usual = {"owner": OWNER, "portdev": PORT, "mac": MAC, "filterref": refer("b-plain")}
    said = "".join(parts)
    return f"<filterbinding>{said}" + "".join(
        text for name, text in usual.items() if f"<{name}" not in said
    ) + "</filterbinding>"  # fmt: skip


#: Bindings that are made and taken away, or refused.
BINDINGS = {
    "usual": document(),
    "over": document(refer("b-over")),
    "filter lost": document(refer("b-lost")),
    "no such filter": document(refer("b-nowhere")),
    "no value": document(refer("b-value")),
    "two without value": document(refer("b-two")),
    "value": document(refer("b-value", parameter("X", "10.1.2.3"))),
    "mac": document(refer("b-mac")),
    "other mac": document(refer("b-mac", parameter("MAC", "52:54:00:00:00:09"))),
    "values": document(
        refer(
            "b-ip", parameter("Z", "1"), parameter("IP", "10.0.0.2"), parameter("IP", "10.0.0.1"),
            parameter("A", "a b"), parameter("B-", "1"),
        )
    ),
    "learned": document(refer("b-ip")),
    "by dhcp": document(refer("b-ip", parameter("CTRL_IP_LEARNING", "dhcp"))),
    "by a server": document(
        refer("b-ip", parameter("CTRL_IP_LEARNING", "dhcp"), parameter("DHCPSERVER", "10.0.0.1"))
    ),
    "not learned": document(refer("b-ip", parameter("CTRL_IP_LEARNING", "none"))),
    "learned somehow": document(refer("b-ip", parameter("CTRL_IP_LEARNING", "bogus"))),
    "nothing to learn": document(refer("b-plain", parameter("CTRL_IP_LEARNING", "bogus"))),
    "no port": document("<portdev/>"),
    "empty port": document("<portdev name=''/>"),
    "no owner": document("<owner/>"),
    "no name": document(f"<owner><uuid>{UUID}</uuid></owner>"),
    "no uuid": document("<owner><name>g</name></owner>"),
    "bad uuid": document("<owner><name>g</name><uuid>zz</uuid></owner>"),
    "no mac": document("<mac/>"),
    "bad mac": document("<mac address='zz'/>"),
    "multicast": document("<mac address='53:54:00:00:00:01'/>"),
    "no filter": document("<filterref/>"),
    "link": document("<linkdev name='eth99'/>"),
    "more": document("<bogus/>"),
}  # fmt: skip


def step(name: str, action: Callable[[], Any]) -> Any:
    """Takes a step and tells what came of it."""
    value: Any = None
    try:
        value = made = action()
    except libvirt.libvirtError as error:
        value = made = {"error": [error.get_error_code(), error.get_error_domain()]}
    if isinstance(value, libvirt.virNWFilterBinding):
        value = ["binding", value.portDev(), value.filterName()]
    elif isinstance(value, libvirt.virNWFilter):
        value = ["filter", value.name()]
    print(json.dumps([name, value]), flush=True)
    return made


def bindings(conn: libvirt.virConnect) -> None:
    """Every document; then what the schema says to some of them."""
    for name, text in BINDINGS.items():
        made = step(name, lambda text=text: conn.nwfilterBindingCreateXML(text))
        if isinstance(made, libvirt.virNWFilterBinding):
            step(f"xml {name}", made.XMLDesc)
            step(f"delete {name}", made.delete)
    made = step("valid", lambda: conn.nwfilterBindingCreateXML(BINDINGS["usual"], 1))
    step("not valid", lambda: conn.nwfilterBindingCreateXML(BINDINGS["more"], 1))
    step("unknown flag", lambda: conn.nwfilterBindingCreateXML(BINDINGS["usual"], 2))
    step("again", lambda: conn.nwfilterBindingCreateXML(BINDINGS["over"]))
    step("all", lambda: [one.portDev() for one in conn.listAllNWFilterBindings()])
    step("list flag", lambda: conn.listAllNWFilterBindings(1))
    step("xml flag", lambda: made.XMLDesc(1))
    step("lookup", lambda: conn.nwfilterBindingLookupByPortDev("vnet0"))
    step("lookup none", lambda: conn.nwfilterBindingLookupByPortDev("vnet9"))
    step("delete", made.delete)
    step("gone delete", made.delete)
    step("gone xml", made.XMLDesc)
    for text in ("", "<filterbinding>", "<filter/>"):
        step(f"text {text}", lambda text=text: conn.nwfilterBindingCreateXML(text))


def changes(conn: libvirt.virConnect, filters: dict[str, libvirt.virNWFilter]) -> None:
    """Filters are changed and removed while a port has them."""
    step("over at work", lambda: conn.nwfilterBindingCreateXML(BINDINGS["over"]))
    uuid = filters["b-plain"].UUIDString()

    def define(body: str) -> Any:
        text = f"<filter name='b-plain'><uuid>{uuid}</uuid>{body}</filter>"
        return conn.nwfilterDefineXML(text)

    step("change", lambda: define("<rule action='drop' direction='out'/>"))
    step("change to no value", lambda: define(FILTERS["b-value"]))
    step("change to lost", lambda: define(FILTERS["b-lost"]))
    step("change to loop", lambda: define("<filterref filter='b-over'/>"))
    step("change to what is learned", lambda: define(FILTERS["b-ip"]))
    step("undefine over", filters["b-over"].undefine)
    step("undefine taken in", filters["b-plain"].undefine)
    step("undefine other", filters["b-two"].undefine)
    step("off", lambda: conn.nwfilterBindingLookupByPortDev("vnet0").delete())
    step("undefine taken in by an idle one", filters["b-plain"].undefine)


def main() -> None:
    """The session."""
    conn = libvirt.open(sys.argv[1])
    libvirt.registerErrorHandler(lambda *_: None, None)
    filters = {
        name: step(name, lambda text=f"<filter name='{name}'>{body}</filter>":
                   conn.nwfilterDefineXML(text))
        for name, body in FILTERS.items()
    }  # fmt: skip
    bindings(conn)
    changes(conn, filters)


main()
