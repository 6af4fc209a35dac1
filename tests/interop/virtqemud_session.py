# SPDX-License-Identifier: Apache-2.0
"""Run by the system's Python with libvirt's binding; prints what it was answered as JSON."""

import json
import sys
import threading

import libvirt

libvirt.registerErrorHandler(lambda *_: None, None)
libvirt.virEventRegisterDefaultImpl()


def loop():
    while True:
        libvirt.virEventRunDefaultImpl()


threading.Thread(target=loop, daemon=True).start()


def failure(action, *arguments):
    try:
        action(*arguments)
    except libvirt.libvirtError as error:
        return error
    raise AssertionError(f"{action} succeeded")


def main():
    events, gone = [], threading.Event()

    def told(_conn, domain, event, detail, _opaque):
        events.append([event, detail])
        if event == libvirt.VIR_DOMAIN_EVENT_UNDEFINED:
            gone.set()

    conn = libvirt.open(sys.argv[1])
    conn.setKeepAlive(5, 3)
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, told, None)
    answers = {
        "type": conn.getType(), "uri": conn.getURI().split("?")[0].replace("+unix", ""),
        "alive": conn.isAlive(), "secure": conn.isSecure(), "encrypted": conn.isEncrypted(),
        "libversion": conn.getLibVersion(),
    }  # fmt: skip
    domain = conn.defineXML(sys.stdin.read())
    answers["defined"] = [each.name() for each in conn.listAllDomains()]
    domain.create()
    answers["state"] = domain.state()
    domain.suspend()
    answers["paused"] = domain.state()
    domain.resume()
    ((_, stats),) = conn.getAllDomainStats()
    answers["balloon"] = stats["balloon.maximum"]
    stream = conn.newStream()
    domain.screenshot(stream, 0)
    parts = []
    stream.recvAll(lambda _stream, data, _opaque: parts.append(data), None)
    stream.finish()
    answers["png"] = b"".join(parts).startswith(b"\x89PNG")
    error = failure(conn.lookupByName, "nobody")
    answers["no_domain"] = [error.get_error_code(), error.get_error_domain()]
    error = failure(domain.create)
    answers["invalid"] = [error.get_error_code(), error.get_error_domain()]
    reader = libvirt.openReadOnly(sys.argv[2])
    error = failure(reader.lookupByName("py").create)
    answers["readonly"] = [error.get_error_code(), error.get_error_domain(), str(error)]
    domain.destroy()
    domain.undefine()
    assert gone.wait(30), "no event of the undefinition came"
    answers["events"] = events
    print(json.dumps(answers))


main()
