# SPDX-License-Identifier: Apache-2.0
"""Network devices of a test's own, in namespaces that end with the test: never on the host."""

from __future__ import annotations

import subprocess
from types import TracebackType

#: What a command line begins with that is to run in a new network without any device.
OWN_NETWORK = (
    *("unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec"),
    'mount -t sysfs sysfs /sys; ip link set lo up; exec "$@"',
    "sh",
)

_SCRIPT = """
mount -t sysfs sysfs /sys
ip link set lo up
{setup}
echo ready
exec cat
"""


class NetworkNamespace:
    """A network namespace, and a mount namespace whose sysfs shows it.

    Args:
        setup: Lines for the shell, which make what is to be there.
    """

    def __init__(self, setup: str) -> None:
        self._setup = setup

    def __enter__(self) -> NetworkNamespace:
        script = _SCRIPT.format(setup=self._setup)
        self._process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self.__exit__(None, None, None)
            raise RuntimeError("the devices of the test cannot be made")
        return self

    @property
    def pid(self) -> int:
        """Of a process there, for ``ip link set … netns``."""
        return self._process.pid

    @property
    def prefix(self) -> list[str]:
        """What a command line begins with that is to run there."""
        return ["nsenter", "--target", str(self._process.pid), "--net", "--mount", "--root"]

    def run(self, *words: str) -> str:
        """Runs a command there, which must succeed; what it prints."""
        code, output = self.ask(*words)
        assert code == 0, f"{words}: {output}"
        return output

    def ask(self, *words: str) -> tuple[int, str]:
        """Runs a command there; how it ended, and what it printed."""
        done = subprocess.run(
            [*self.prefix, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=30, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)
