# SPDX-License-Identifier: Apache-2.0
"""The libvirt that is served to other people's tests, and the faults that they order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from virloom.client.domain.events import LifecycleEvent
from virloom.errors import InternalError, NoDomain, OperationDenied, VirloomError, XmlError
from virloom.sync.portal import portal
from virloom.testing.served import ServedLibvirt

DOMAIN = (
    "<domain type='test'><name>d</name><memory>65536</memory><os><type>hvm</type></os></domain>"
)


@pytest.fixture(scope="module", autouse=True)
def _portal() -> None:
    """Lives as long as the process: no leak of the test that happens to be first."""
    portal()


@pytest.fixture
def host() -> Iterator[ServedLibvirt]:
    with ServedLibvirt() as served:
        yield served


def test_what_is_done_lasts_over_connections(host: ServedLibvirt) -> None:
    with virloom.open_sync(host.uri) as conn:
        conn.define_xml(DOMAIN)
    with virloom.open_sync(host.uri) as conn:
        assert sorted(dom.name for dom in conn.list_all_domains()) == ["d", "test"]


def test_each_has_a_host_of_its_own(host: ServedLibvirt) -> None:
    with ServedLibvirt() as other:
        with virloom.open_sync(host.uri) as conn:
            conn.define_xml(DOMAIN)
        with virloom.open_sync(other.uri) as conn:
            assert [dom.name for dom in conn.list_all_domains()] == ["test"]


def test_events_come_over_the_wire(host: ServedLibvirt) -> None:
    with virloom.open_sync(host.uri) as conn, virloom.open_sync(host.uri) as other:
        heard: list[LifecycleEvent] = []
        came = threading.Event()

        def hear(event: LifecycleEvent) -> None:
            heard.append(event)
            came.set()

        stop = conn.on_event(hear, LifecycleEvent)
        other.lookup_by_name("test").suspend()
        assert came.wait(10)
        stop()
        assert heard[0].domain.name == "test"


def test_a_read_only_client(host: ServedLibvirt) -> None:
    with virloom.open_sync(host.readonly_uri, readonly=True) as conn:
        dom = conn.lookup_by_name("test")
        with pytest.raises(OperationDenied):
            dom.suspend()


def test_a_call_fails_as_ordered_and_then_is_served(host: ServedLibvirt) -> None:
    fault = host.faults.fail("virDomainSuspend", 1, "no luck")
    with virloom.open_sync(host.uri) as conn:
        dom = conn.lookup_by_name("test")
        with pytest.raises(InternalError, match="no luck"):
            dom.suspend()
        dom.suspend()
    assert fault.met == 1


def test_every_call_fails_until_the_faults_are_cleared(host: ServedLibvirt) -> None:
    error = NoDomain("gone")
    with virloom.open_sync(host.uri) as conn:
        with host.faults.clean() as faults:
            faults.fail("DOMAIN_LOOKUP_BY_NAME", error, times=None)
            for _ in range(3):
                with pytest.raises(NoDomain, match="gone"):
                    conn.lookup_by_name("test")
        assert conn.lookup_by_name("test").name == "test"


def test_a_call_hangs_until_it_is_let_go(host: ServedLibvirt) -> None:
    hang = host.faults.hang("virDomainSuspend")
    with virloom.open_sync(host.uri) as conn:
        dom = conn.lookup_by_name("test")
        done = threading.Event()
        thread = threading.Thread(target=lambda: (dom.suspend(), done.set()))
        thread.start()
        assert hang.await_met()
        assert dom.is_active()  # other calls are served meanwhile
        assert not done.wait(0.1)
        hang.release()
        assert done.wait(10)
        thread.join()


def test_a_call_cuts_its_connection_and_no_other(host: ServedLibvirt) -> None:
    host.faults.cut("virDomainSuspend")
    other = virloom.open_sync(host.uri)
    conn = virloom.open_sync(host.uri)
    try:
        dom = conn.lookup_by_name("test")
        with pytest.raises(VirloomError):
            dom.suspend()
        deadline = time.monotonic() + 10
        while not conn.closed:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert other.lookup_by_name("test").is_active()
    finally:
        conn.close()
        other.close()


def test_all_connections_are_cut(host: ServedLibvirt) -> None:
    with virloom.open_sync(host.uri) as conn:
        host.disconnect()
        deadline = time.monotonic() + 10
        while not conn.closed:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    with virloom.open_sync(host.uri) as conn:
        assert host.clients == 1


def test_a_function_that_is_none(host: ServedLibvirt) -> None:
    with pytest.raises(ValueError, match="virDomainCreat'"):
        host.faults.hang("virDomainCreat")


def test_a_host_of_a_file(tmp_path: Path) -> None:
    description = tmp_path / "host.xml"
    description.write_text(f"<node>{DOMAIN}</node>")
    with ServedLibvirt(description) as host, virloom.open_sync(host.uri) as conn:
        assert [dom.name for dom in conn.list_all_domains()] == ["d"]


def test_a_file_that_is_no_host(tmp_path: Path) -> None:
    description = tmp_path / "host.xml"
    description.write_text("<domain/>")
    with pytest.raises(XmlError):
        ServedLibvirt(description).start()
