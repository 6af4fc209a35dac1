# SPDX-License-Identifier: Apache-2.0
"""Calls with descriptors, by python3-libvirt; run as ``descriptors_session.py URI DIRECTORY``.

Prints a line for each step, for the comparison of two daemons.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import libvirt
import libvirt_qemu

XML = """<domain type='qemu'><name>fds</name><memory>65536</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file'><driver name='qemu' type='{kind}'/>
<source file='{path}' fdgroup='images'/><target dev='vda' bus='virtio'/></disk>
<graphics type='vnc' port='-1'/></devices></domain>"""


def step(what: str, action: Callable[[], Any]) -> None:
    """Prints what comes of it."""
    try:
        result = action()
    except libvirt.libvirtError as error:
        print(what, error.get_error_code(), error.get_error_domain(), error)
    else:
        print(what, result)


def greeting(display: socket.socket) -> bytes:
    """What a VNC server says first."""
    display.settimeout(20)
    return display.recv(12)


def through(fd: int) -> bytes:
    with socket.socket(fileno=fd) as display:
        return greeting(display)


def displays(dom: Any, image: int) -> None:
    """Clients of the display, by descriptor."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        step("open", lambda: dom.openGraphics(0, theirs.fileno(), 0))
        print(greeting(ours))
        step("open 5", lambda: dom.openGraphics(5, theirs.fileno(), 0))
        step("open flags", lambda: dom.openGraphics(0, theirs.fileno(), 4))
    step("open fd", lambda: through(dom.openGraphicsFD(0, 0)))
    step("open fd, no password", lambda: through(dom.openGraphicsFD(0, 1)))
    step("open fd 5", lambda: dom.openGraphicsFD(5, 0))
    step("open fd flags", lambda: dom.openGraphicsFD(0, 4))


def monitor(dom: Any, image: int) -> None:
    """A command with a descriptor."""
    command = '{"execute": "getfd", "arguments": {"fdname": "mine"}}'
    with_files = libvirt_qemu.qemuMonitorCommandWithFiles
    step("getfd", lambda: '"return":{}' in with_files(dom, command, [image], 0)[0])
    step("two", lambda: with_files(dom, command, [image, image], 0))
    close = '{"execute": "closefd", "arguments": {"fdname": "mine"}}'
    step("closefd", lambda: '"return":{}' in with_files(dom, close, [], 0)[0])
    step("hmp", lambda: with_files(dom, "info name", [], 1))


def associated(conn: Any, uri: str, image: int, xml: str) -> None:
    """An image that we open, and the guest may not."""
    dom = conn.defineXML(xml)
    step("files", lambda: dom.createWithFiles([image], 0))
    step("xml and files", lambda: conn.createXMLWithFiles(xml, [image], 0))
    step("inactive", lambda: dom.openGraphicsFD(0, 0))
    step("not associated", dom.create)
    step("flags", lambda: dom.FDAssociate("images", [image], 8))
    step("none", lambda: dom.FDAssociate("images", [], 0))
    step("associate", lambda: dom.FDAssociate("images", [image], 0))
    step("start", lambda: dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED))
    live = dom.XMLDesc(0)
    print([line.strip() for line in live.splitlines() if "fdgroup" in line])
    displays(dom, image)
    monitor(dom, image)
    step("end", dom.destroy)
    step("start again", lambda: dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED))
    step("end again", dom.destroy)
    other = libvirt.open(uri)
    step("replace", lambda: other.lookupByName("fds").FDAssociate("images", [image], 2))
    step("close", other.close)
    step("gone", dom.create)
    dom.undefine()


def main() -> None:
    uri, directory = sys.argv[1:]
    libvirt.registerErrorHandler(lambda context, error: None, None)
    path = os.path.join(directory, "image")
    image = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(image, 1 << 20)
    os.unlink(path)
    conn = libvirt.open(uri)
    associated(conn, uri, image, XML.format(path=path, kind="raw"))
    conn.close()


if __name__ == "__main__":
    main()
