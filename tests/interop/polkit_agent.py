# SPDX-License-Identifier: Apache-2.0
"""An authentication agent whose user does not want to: ``polkit_agent.py BUS PID START-TIME``.

Run by the system's Python, which has PyGObject. Prints a line when it is known to polkit.
"""

from __future__ import annotations

import sys

from gi.repository import Gio, GLib

_NAME, _AUTHORITY = "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority"
_PATH = "/org/virloom/Agent"
_INTERFACE = """<node><interface name="org.freedesktop.PolicyKit1.AuthenticationAgent">
<method name="BeginAuthentication"><arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="s" direction="in"/><arg type="a{ss}" direction="in"/><arg type="s" direction="in"/>
<arg type="a(sa{sv})" direction="in"/></method>
<method name="CancelAuthentication"><arg type="s" direction="in"/></method></interface></node>"""


def main() -> None:
    address, pid, start = sys.argv[1:]
    flags = (
        Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
        | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    )
    bus = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)

    def called(*about: object) -> None:
        invocation = about[-1]
        invocation.return_dbus_error(f"{_NAME}.Error.Cancelled", "no")

    interface = Gio.DBusNodeInfo.new_for_xml(_INTERFACE).interfaces[0]
    bus.register_object(_PATH, interface, called, None, None)
    subject = {"pid": GLib.Variant("u", int(pid)), "start-time": GLib.Variant("t", int(start))}
    arguments = GLib.Variant("((sa{sv})ss)", (("unix-process", subject), "C", _PATH))
    bus.call_sync(
        _NAME, _AUTHORITY, f"{_NAME}.Authority", "RegisterAuthenticationAgent",
        arguments, None, Gio.DBusCallFlags.NONE, 10000, None,
    )  # fmt: skip
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
