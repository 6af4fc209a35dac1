# SPDX-License-Identifier: Apache-2.0
"""Events typed: as QEMU 7.2 sends them, as other versions do, and malformed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virloom.drivers.qemu.monitor.events import (
    _DECODERS,
    BalloonChange,
    BlockIoError,
    BlockJob,
    DeviceDeleted,
    GuestPanicked,
    JobStatusChange,
    MalformedEvent,
    Notice,
    PortChange,
    Reset,
    RtcChange,
    RxFilterChanged,
    Shutdown,
    TrayMoved,
    TypedEvent,
    VncClient,
    Watchdog,
    decode,
)
from virloom.drivers.qemu.monitor.protocol import Event

VNC_SERVER = {
    "auth": "none", "family": "ipv4", "service": "5900", "websocket": False, "host": "127.0.0.1",
}  # fmt: skip
VNC_PEER = {"family": "ipv4", "service": "58425", "websocket": False, "host": "127.0.0.1"}


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("STOP", {}, Notice("STOP")),
        ("WAKEUP", {}, Notice("WAKEUP")),
        (
            "SHUTDOWN",
            {"guest": True, "reason": "guest-shutdown"},
            Shutdown(True, "guest-shutdown"),
        ),
        ("SHUTDOWN", {}, Shutdown(None, "")),
        ("RESET", {"guest": False, "reason": "host-qmp-system-reset"},
         Reset(False, "host-qmp-system-reset")),
        (
            "BLOCK_IO_ERROR",
            {"device": "", "nospace": True, "node-name": "libvirt-1-format",
             "reason": "No space left on device", "operation": "write", "action": "stop"},
            BlockIoError("", "libvirt-1-format", "write", "stop", True, "No space left on device"),
        ),
        (
            "BLOCK_IO_ERROR",
            {"device": "old", "qdev": "/machine/peripheral/virtio-disk0/virtio-backend",
             "operation": "read", "action": "report", "reason": "x"},
            BlockIoError("/machine/peripheral/virtio-disk0/virtio-backend", "", "read", "report",
                         False, "x"),
        ),
        ("RTC_CHANGE", {"offset": -78, "qom-path": "/machine/unattached/device[9]"},
         RtcChange(-78, "/machine/unattached/device[9]")),
        ("RTC_CHANGE", {"offset": 78}, RtcChange(78, "")),
        ("WATCHDOG", {"action": "reset"}, Watchdog("reset")),
        ("BALLOON_CHANGE", {"actual": 944766976}, BalloonChange(944766976)),
        ("VNC_CONNECTED", {"server": VNC_SERVER, "client": VNC_PEER},
         VncClient("CONNECTED", "127.0.0.1", "58425", "ipv4", "127.0.0.1", "5900", "ipv4", "none",
                   None, None)),
        ("VNC_INITIALIZED", {"server": VNC_SERVER, "client": {**VNC_PEER, "sasl_username": "joe"}},
         VncClient("INITIALIZED", "127.0.0.1", "58425", "ipv4", "127.0.0.1", "5900", "ipv4",
                   "none", None, "joe")),
        ("DEVICE_DELETED", {"device": "net0", "path": "/machine/peripheral/net0"},
         DeviceDeleted("net0", "/machine/peripheral/net0")),
        ("DEVICE_DELETED", {"path": "/machine/peripheral/net0/x"},
         DeviceDeleted(None, "/machine/peripheral/net0/x")),
        ("DEVICE_TRAY_MOVED", {"device": "", "id": "ide0-0-0", "tray-open": True},
         TrayMoved("ide0-0-0", True)),
        ("GUEST_PANICKED", {"action": "pause"}, GuestPanicked("pause", None, False)),
        ("GUEST_CRASHLOADED", {"action": "run", "info": {"type": "hyper-v", "arg1": 0}},
         GuestPanicked("run", {"type": "hyper-v", "arg1": 0}, True)),
        ("NIC_RX_FILTER_CHANGED", {"name": "net0", "path": "/machine/peripheral/net0"},
         RxFilterChanged("net0", "/machine/peripheral/net0")),
        ("VSERPORT_CHANGE", {"id": "channel0", "open": True}, PortChange("channel0", True)),
        ("JOB_STATUS_CHANGE", {"id": "job0", "status": "ready"}, JobStatusChange("job0", "ready")),
        ("BLOCK_JOB_COMPLETED",
         {"type": "stream", "device": "j", "len": 10, "offset": 5, "speed": 0, "error": "bad"},
         BlockJob("COMPLETED", "j", "stream", 5, 10, "bad")),
        ("BLOCK_JOB_PENDING", {"type": "commit", "id": "j"},
         BlockJob("PENDING", "j", "commit", 0, 0, None)),
        ("SPICE_CONNECTED", {"server": {}}, None),
    ],
)  # fmt: skip
def test_events_become_types(name: str, data: dict[str, Any], expected: TypedEvent | None) -> None:
    assert decode(Event(name, data)) == expected


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("SHUTDOWN", {"guest": "yes"}),
        ("BLOCK_IO_ERROR", {"operation": "read"}),
        ("RTC_CHANGE", {"offset": "1"}),
        ("RTC_CHANGE", {"offset": True}),
        ("WATCHDOG", {}),
        ("BALLOON_CHANGE", {"actual": 1.5}),
        ("VNC_CONNECTED", {"client": []}),
        ("VSERPORT_CHANGE", {"id": "c", "open": 1}),
        ("GUEST_PANICKED", {"action": "pause", "info": "x"}),
    ],
)
def test_another_form_is_malformed(name: str, data: dict[str, Any]) -> None:
    with pytest.raises(MalformedEvent, match=name):
        decode(Event(name, data))


keys = st.sampled_from(
    ["guest", "reason", "action", "operation", "offset", "id", "device", "open", "client", "info"]
)
junk: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text() | st.just({}) | st.just([])
)


@given(st.sampled_from(sorted(_DECODERS)), st.dictionaries(keys, junk))
def test_hostile_data_is_typed_or_malformed(name: str, data: dict[str, Any]) -> None:
    try:
        assert decode(Event(name, data)) is not None
    except MalformedEvent:
        return
