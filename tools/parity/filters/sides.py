# SPDX-License-Identifier: Apache-2.0
"""The two that are compared, each with a bridge, a guest and a peer in a network of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.namespace import NetworkNamespace
from tests.interop.reference import Libvirtd
from tools.parity.filters import prober
from tools.parity.filters.documents import Case
from tools.parity.filters.frames import GUEST, HOST, HOST_IP, Frame
from virloom.drivers.nwfilter.completion import parse_filter
from virloom.drivers.nwfilter.rules.loading import Loader, tracks_on_bridges
from virloom.drivers.nwfilter.rules.ruleset import removal, ruleset
from virloom.errors import VirloomError
from virloom.model.nwfilter import Filter, FilterReference

_SETUP = f"""
ip link add br0 address {HOST} type bridge forward_delay 0 mcast_snooping 0
for ends in vnet0:guest vnet1:peer; do
    near=${{ends%:*}} far=${{ends#*:}}
    ip link add $near type veth peer name $far
    ip link set $near master br0
    echo 0 > /sys/class/net/$near/brport/learning
    for name in $near $far; do
        echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6
        ip link set $name up
    done
done
echo 1 > /proc/sys/net/ipv6/conf/br0/disable_ipv6
ip link set br0 up
ip addr add {HOST_IP}/24 dev br0
ip route add default dev br0
"""
_MARK = re.compile(rb"<\d{4}>")
_BINDING = """<filterbinding><owner><name>g</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
</owner><portdev name='vnet0'/><mac address='{mac}'/><filterref filter='{name}'>{parameters}
</filterref></filterbinding>"""


class Side:
    """A network where frames are sent; a context manager.

    Args:
        silence: Seconds that a frame may take; None for what this machine needs.

    Attributes:
        network: The network.
    """

    def __init__(self, silence: float | None = None) -> None:
        self._more = [] if silence is None else [str(silence)]
        self.network = NetworkNamespace(_SETUP)
        self._prober: subprocess.Popen[str] | None = None
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as resources:
            resources.enter_context(self.network)
            self._open(resources)
            self._prober = subprocess.Popen(
                [*self.network.prefix, sys.executable, prober.__file__, *self._more],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            resources.callback(self._prober.communicate)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    def _open(self, resources: contextlib.ExitStack) -> None:
        """What a side needs besides."""

    @contextlib.contextmanager
    def applied(self, case: Case) -> Iterator[str | None]:
        """The guest has the filter; yields why not, where it is refused."""
        raise NotImplementedError

    def passed(self, turns: Sequence[Sequence[Frame]]) -> dict[str, bool]:
        """Which frames arrive."""
        assert self._prober is not None
        assert self._prober.stdin is not None
        assert self._prober.stdout is not None
        told = [
            [[one.way, one.data.hex(), _MARK.findall(one.data)[-1].hex()] for one in turn]
            for turn in turns
        ]
        print(json.dumps(told), file=self._prober.stdin, flush=True)
        answer = json.loads(self._prober.stdout.readline())
        return {
            f"{one.way}: {one.name}": arrived
            for turn, arrivals in zip(turns, answer, strict=True)
            for one, arrived in zip(turn, arrivals, strict=True)
        }


class OurSide(Side):
    """Our rules, given to the kernel by our own loader."""

    def __init__(self, known: Mapping[str, str], silence: float | None = None) -> None:
        super().__init__(silence)
        self._known = {name: parse_filter(text) for name, text in known.items()}
        self._loader = Loader(self._run)

    async def _run(self, argv: Sequence[str], text: bytes) -> subprocess.CompletedProcess[bytes]:
        return await asyncio.to_thread(
            subprocess.run, [*self.network.prefix, *argv], input=text, capture_output=True
        )

    @contextlib.contextmanager
    def applied(self, case: Case) -> Iterator[str | None]:
        """As of a side."""
        try:
            model = parse_filter(case.text)
            find: dict[str, Filter] = {**self._known, model.name or "": model}
            values = {"MAC": [GUEST], **case.values}
            reference = FilterReference(filter=model.name)
            asyncio.run(self._loader.load(ruleset(reference, find.get, "vnet0", values)))
        except VirloomError as exc:
            yield str(exc)
            return
        try:
            yield None
        finally:
            asyncio.run(self._loader.load(removal("vnet0")))

    def tracks(self) -> bool:
        """Whether the kernel tracks connections on bridges."""
        return asyncio.run(tracks_on_bridges(self._run))


class PhysdevSide(OurSide):
    """The same on a kernel that tracks no connections on bridges, or says so."""

    async def _run(self, argv: Sequence[str], text: bytes) -> subprocess.CompletedProcess[bytes]:
        if "--check" in argv:
            return subprocess.CompletedProcess(argv, 1, b"", b"")
        return await super()._run(argv, text)


class LibvirtSide(Side):
    """A libvirtd 9, by virsh; it has *known* filters and its own."""

    def __init__(self, known: Mapping[str, str]) -> None:
        super().__init__()
        self._known = known

    def _open(self, resources: contextlib.ExitStack) -> None:
        place = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="vf")))
        self._place = place
        self._daemon = Libvirtd(place, prefix=self.network.prefix)
        resources.callback(self._daemon.end)
        self._daemon.await_socket()
        for number, text in enumerate(self._known.values()):
            self._virsh(f"nwfilter-define {self._written(f'known{number}', text)}")

    def _written(self, name: str, text: str) -> Path:
        path = self._place / f"{name}.xml"
        path.write_text(text, encoding="utf-8")
        return path

    def _virsh(self, *lines: str) -> str:
        """What it says of errors."""
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", self._daemon.uri], input="\n".join([*lines, ""]),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        return "\n".join(line for line in said if "Failed to " not in line or "apply" in line)

    @contextlib.contextmanager
    def applied(self, case: Case) -> Iterator[str | None]:
        """As of a side."""
        name = parse_filter(case.text).name or ""
        parameters = "".join(
            f"<parameter name='{key}' value='{value}'/>"
            for key, values in case.values.items()
            for value in values
        )
        binding = _BINDING.format(mac=GUEST, name=name, parameters=parameters)
        said = self._virsh(
            f"nwfilter-define {self._written('filter', case.text)}",
            f"nwfilter-binding-create {self._written('binding', binding)}",
        )
        try:
            yield said or None
        finally:
            self._virsh("nwfilter-binding-delete vnet0", f"nwfilter-undefine {name}")
