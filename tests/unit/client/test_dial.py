# SPDX-License-Identifier: Apache-2.0
"""The ssh command of a URI, and where certificates are looked for."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from virloom.client.dial import ssh_argv
from virloom.errors import InvalidArg, SystemFailure
from virloom.transport.tls import TlsFiles
from virloom.uri import ConnectURI


def command(text: str, *, readonly: bool = False) -> tuple[list[str], str]:
    """What ssh gets before the host, and the far side's script."""
    argv = ssh_argv(ConnectURI.parse(text), readonly=readonly)
    end = argv.index("--")
    assert argv[end + 1 : end + 4] == ["host", "sh", "-c"]
    (script,) = shlex.split(argv[end + 4])
    return argv[:end], script


def test_the_helper_comes_first_and_netcat_second() -> None:
    argv, script = command("qemu+ssh://host/system", readonly=True)
    assert argv == ["ssh", "-T", "-e", "none"]
    assert "exec virt-ssh-helper -r qemu:///system" in script
    assert script.endswith("exec nc -U /run/libvirt/libvirt-sock-ro; fi; fi")


def test_options_of_ssh() -> None:
    argv, _ = command(
        "qemu+ssh://me@host:2222/system?keyfile=/k&no_tty=1&no_verify=1&command=/bin/ssh"
    )
    assert argv[0] == "/bin/ssh"
    text = " ".join(argv)
    for part in ("-p 2222", "-l me", "-i /k", "BatchMode=yes", "StrictHostKeyChecking=no"):
        assert part in text


def test_the_proxy_that_is_asked_for() -> None:
    assert command("qemu+ssh://host/session")[1] == "exec virt-ssh-helper qemu:///session"
    _, script = command("qemu+ssh://host/system?socket=/a%20b&netcat=nc.x")
    assert "virt-ssh-helper" not in script
    assert "exec nc.x -U '/a b'" in script
    with pytest.raises(InvalidArg, match="'some'"):
        ssh_argv(
            ConnectURI("qemu", transport="ssh", host="host", params={"proxy": "some"}),
            readonly=False,
        )


def test_certificates_of_a_directory_and_of_a_user(tmp_path: Path) -> None:
    with pytest.raises(SystemFailure, match=r"cacert\.pem"):
        TlsFiles.find(str(tmp_path))
    mine = tmp_path / ".pki" / "libvirt"
    mine.mkdir(parents=True)
    (mine / "cacert.pem").touch()
    assert TlsFiles.find(home=tmp_path) == TlsFiles(mine / "cacert.pem", None, None)
    (mine / "clientcert.pem").touch()
    (mine / "clientkey.pem").touch()
    assert TlsFiles.find(str(mine)).key == mine / "clientkey.pem"
