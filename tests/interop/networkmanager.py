# SPDX-License-Identifier: Apache-2.0
"""The real NetworkManager, on a bus of a test's own and in a network namespace of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

#: A bus where everybody may do everything, below a root.
BUS = """\
<busconfig>
 <listen>unix:path={root}/bus</listen>
 <auth>EXTERNAL</auth>
 <policy context="default">
  <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
 </policy>
</busconfig>
"""
#: All that differs from NetworkManager's own configuration.
CONFIGURATION = """\
[main]
plugins=keyfile
dns=none
no-auto-default=*
auth-polkit=false
systemd-resolved=false
[keyfile]
path={root}/etc/NetworkManager/system-connections
unmanaged-devices=interface-name:unmanaged*
"""
#: Lines for the set-up of a :class:`~tests.interop.namespace.NetworkNamespace`. Where ``/sys``
#: cannot be written NetworkManager does not wait for udev, which tells it of no device here.
PREPARED = """
mount -o remount,ro /sys
mount -t tmpfs run /run
mount -t tmpfs state /var/lib/NetworkManager
"""
#: Seconds until it answers; one, where nothing else keeps the machine busy.
_PATIENCE = 60.0


@contextmanager
def networkmanager(root: Path, prefix: Sequence[str]) -> Iterator[str]:
    """NetworkManager, which has its connections below *root* and was started by *prefix*.

    Yields:
        The address of its bus.
    """
    (root / "etc/NetworkManager/system-connections").mkdir(parents=True)
    (root / "run/NetworkManager").mkdir(parents=True)
    (root / "bus.conf").write_text(BUS.format(root=root))
    (root / "nm.conf").write_text(CONFIGURATION.format(root=root))
    address = f"unix:path={root}/bus"
    with ExitStack() as stack:
        log = stack.enter_context((root / "networkmanager.log").open("wb"))

        def start(*words: str) -> None:
            environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address}
            process = subprocess.Popen(
                [*prefix, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment,
            )  # fmt: skip
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)

        start("dbus-daemon", f"--config-file={root}/bus.conf", "--nofork")
        _await(lambda: (root / "bus").exists(), root)
        start(
            "NetworkManager", "--no-daemon", f"--config={root}/nm.conf",
            f"--config-dir={root}/none", f"--pid-file={root}/nm.pid",
        )  # fmt: skip
        _await(lambda: _answers(address), root)
        yield address


def _answers(address: str) -> bool:
    asked = subprocess.run(
        ["nmcli", "general", "status"], capture_output=True, check=False, timeout=_PATIENCE,
        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address},
    )  # fmt: skip
    return asked.returncode == 0


def _await(holds: Callable[[], bool], root: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError((root / "networkmanager.log").read_text())
        time.sleep(0.05)
