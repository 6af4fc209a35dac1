# SPDX-License-Identifier: Apache-2.0
"""Compares what becomes of networks with libvirt 9: ``python -m tools.parity.networks [PART…]``.

Each document is defined, started, stopped and undefined on a libvirtd and on a virtnetworkd of our
own, each in a network of its own. Compared are its document before and while it runs, and the
files of its dnsmasq; or that both refuse it. 1 where something differs.
"""

from __future__ import annotations

import difflib
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import virloom
from tests.golden.test_dnsmasq import CASES, PLACE, without_comments
from tests.interop.conftest import Virtnetworkd
from tests.interop.effect.documents import documents as effect_documents
from tests.interop.reference import Libvirtd
from virloom.errors import VirloomError
from virloom.sync.connection import Connection

_KINDS = ("conf", "hostsfile", "addnhosts")
_DNSMASQ = "var/lib/libvirt/dnsmasq"
#: What libvirt drops and we keep: what a network boots, while it has no addresses to give. What it
#: takes and we refuse: a name of a host that dnsmasq would read as several words.
_BETTER = ("bootp-alone", "host-names-special")
#: Leases, in ways that the documents of dnsmasq do not have.
_LEASES = ("expiry='0' unit='hours'", "expiry='1'", "expiry='60' unit='seconds'", "unit='hours'")
#: What each daemon makes up, where a document has none.
_MADE_UP = re.compile(r"<uuid>[^<]*</uuid>|<mac address='[^']*'/>")
#: By what is seen of it; or by ``refused``, at which step.
Seen = dict[str, str]


class Side:
    """One of the two.

    Args:
        uri: Where it answers.
        root: The tree of files that it sees.
    """

    def __init__(self, uri: str, root: Path) -> None:
        self._root = root
        self._conn: Connection = virloom.open_sync(uri)

    def close(self) -> None:
        """Lets go of it."""
        self._conn.close()

    def seen(self, text: str) -> Seen:
        """What becomes of a document."""
        found: Seen = {}
        step, network = "define", None
        try:
            network = self._conn.networks.define_xml(text)
            found["defined"] = self._plain(network.xml_desc())
            step = "start"
            network.create()
            found["running"] = self._plain(network.xml_desc())
            for kind in _KINDS:
                path = self._root / _DNSMASQ / f"{network.name}.{kind}"
                if path.exists():
                    found[kind] = self._plain(without_comments(path.read_text()))
            network.destroy()
        except VirloomError as error:
            found["refused"] = f"{step}: {int(error.code)}"
        finally:
            if network is not None:
                with suppress(VirloomError):  # it did not start
                    network.destroy()
                network.undefine()
        return {what: words for what, words in found.items() if words}

    def _plain(self, text: str) -> str:
        return _MADE_UP.sub("<made-up/>", text.replace(str(self._root), ""))


def documents() -> Iterator[tuple[str, str]]:
    """All documents, by name."""
    for name in CASES:
        yield name, (PLACE / f"{name}.xml").read_text()
    for lease in _LEASES:
        ranges = f"<range start='10.77.1.2' end='10.77.1.9'><lease {lease}/></range>"
        text = f"<ip address='10.77.1.1' prefix='24'><dhcp>{ranges}</dhcp></ip>"
        yield f"lease {lease}", f"<network><name>lease</name>{text}</network>"
    for name, (text, _) in effect_documents().items():
        yield name, text


def _sides(stack: ExitStack) -> tuple[Side, Side]:
    place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pn")))
    place.chmod(0o755)
    for name in ("libvirt", "ours"):
        (place / name).mkdir()
    libvirtd = Libvirtd(place / "libvirt", networks=True)
    stack.callback(libvirtd.end)
    ours = Virtnetworkd(place / "ours")
    ours.start()
    stack.callback(ours.signal, signal.SIGTERM)
    libvirtd.await_socket()
    made = Side(libvirtd.uri, libvirtd.root), Side(ours.uri(), ours.root)
    for side in made:
        stack.callback(side.close)
    return made


def _differences(theirs: Seen, ours: Seen) -> Iterator[str]:
    for what in sorted(theirs.keys() | ours.keys()):
        before, after = theirs.get(what, ""), ours.get(what, "")
        if before != after:
            lines = difflib.unified_diff(
                before.splitlines(), after.splitlines(),
                f"{what} by libvirt", f"{what} by virloom", lineterm="", n=1,
            )  # fmt: skip
            yield from (f"      {line}" for line in lines)


def main() -> int:
    """Entry point."""
    parts = sys.argv[1:] or [""]
    chosen = [one for one in documents() if any(part in one[0] for part in parts)]
    different = refused = 0
    with ExitStack() as stack:
        libvirt, virloom_side = _sides(stack)
        for name, text in chosen:
            theirs, ours = libvirt.seen(text), virloom_side.seen(text)
            refused += "refused" in theirs
            if theirs != ours:
                different += name not in _BETTER
                print("\n".join([f"DIFF  {name}", *_differences(theirs, ours)]), flush=True)
    print(f"{len(chosen)} networks, libvirt refuses {refused}, {different} differ by mistake")
    return 1 if different or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
