# SPDX-License-Identifier: Apache-2.0
"""virt-pki-validate, ours and libvirt's, on the same certificates."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.programs import Done, needs, ours, run

pytestmark = needs("virt-pki-validate", root=True)

OURS = ours("pki_validate")
THEIRS = ["virt-pki-validate"]

#: What begins a line that scripts may look for.
WORDS = ("Found CA", "Found client", "Found server", "Missing", "Did not find", "The machine")


def openssl(*words: str | Path) -> None:
    """Runs openssl."""
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(place: Path, name: str, subject: str) -> None:
    """Makes an authority's certificate and key."""
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", subject,
        "-keyout", place / f"{name}key.pem", "-out", place / f"{name}cert.pem",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip


def issue(place: Path, by: str, name: str, subject: str, purpose: str) -> None:
    """Makes a certificate of an authority."""
    request, rules = place / "request", place / "rules"
    openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", subject,
        "-keyout", place / f"{name}key.pem", "-out", request,
    )  # fmt: skip
    rules.write_text(f"basicConstraints=critical,CA:FALSE\nextendedKeyUsage={purpose}\n")
    openssl(
        "x509", "-req", "-in", request, "-CA", place / f"{by}cert.pem", "-CAkey",
        place / f"{by}key.pem", "-CAcreateserial", "-days", "30", "-extfile", rules,
        "-out", place / f"{name}cert.pem",
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of two authorities."""
    place = tmp_path_factory.mktemp("made")
    authority(place, "ca", "/O=Virloom/CN=The CA")
    authority(place, "other", "/O=Other/CN=Another CA")
    issue(place, "ca", "server", "/O=Virloom/CN=server.example", "serverAuth")
    issue(place, "ca", "client", "/O=Virloom/CN=client1", "clientAuth")
    issue(place, "other", "stranger", "/O=Other/CN=stranger.example", "serverAuth,clientAuth")
    return place


class Pki:
    """The host's certificates, put together from those that were made."""

    def __init__(self, root: Path, made: Path) -> None:
        self.root = root
        self._made = made
        for name in ("etc/pki/CA", "etc/pki/libvirt/private"):
            (root / name).mkdir(parents=True)

    def put(self, source: str, target: str, mode: int = 0o644) -> None:
        """Puts a file into its place below ``/etc/pki``."""
        path = self.root / "etc/pki" / target
        shutil.copy(self._made / source, path)
        path.chmod(mode)

    def pair(self, source: str, kind: str, mode: int = 0o600) -> None:
        """Puts a certificate and its key into their places."""
        self.put(f"{source}cert.pem", f"libvirt/{kind}cert.pem")
        self.put(f"{source}key.pem", f"libvirt/private/{kind}key.pem", mode)

    def both(self) -> tuple[Done, Done]:
        """What ours and theirs say; both see the certificates at the host's own place."""
        prepare = (
            "mkdir /srv/etc; cp -a /etc/. /srv/etc; mkdir -p /srv/etc/pki\n"
            f"mount --bind /srv/etc /etc; mount --bind {self.root}/etc/pki /etc/pki"
        )
        return run(OURS, prepare=prepare), run(THEIRS, prepare=prepare)


@pytest.fixture
def pki(tmp_path: Path, made: Path) -> Pki:
    """A host with an authority's certificate."""
    pki = Pki(tmp_path, made)
    pki.put("cacert.pem", "CA/cacert.pem")
    return pki


def facts(done: Done) -> list[str]:
    """The lines that both have."""
    return [line for line in done.stdout.splitlines() if line.startswith(WORDS)]


def assert_same(pki: Pki) -> Done:
    """Both find the same; ours is given back."""
    done, theirs = pki.both()
    assert (facts(done), done.returncode) == (facts(theirs), theirs.returncode)
    return done


def test_an_authority_alone(pki: Pki) -> None:
    assert "The machine cannot act as a server" in assert_same(pki).stdout


def test_a_server_and_a_client(pki: Pki) -> None:
    pki.pair("server", "server")
    pki.pair("client", "client", 0o644)
    done = assert_same(pki)
    assert "is not one of" not in done.stdout
    assert "others" not in done.stdout


def test_a_client_alone(pki: Pki) -> None:
    pki.pair("client", "client", 0o644)
    assert_same(pki)


def test_a_certificate_without_its_key(pki: Pki) -> None:
    pki.put("servercert.pem", "libvirt/servercert.pem")
    assert "Missing server private key" in assert_same(pki).stdout


def test_a_key_that_others_read(pki: Pki) -> None:
    pki.pair("server", "server", 0o644)
    assert "can be read by others: chmod 600" in assert_same(pki).stdout


def test_a_server_of_another_name(pki: Pki) -> None:
    pki.pair("server", "server")
    assert "does not name this host" in assert_same(pki).stdout


@pytest.mark.parametrize("name", ["CA", "libvirt", "libvirt/private"])
def test_a_directory_that_is_not_there(name: str, pki: Pki) -> None:
    shutil.rmtree(pki.root / "etc/pki" / name)
    done, theirs = pki.both()
    assert done.returncode == theirs.returncode == 1
    assert f"Missing directory /etc/pki/{name}" in done.stdout


@pytest.mark.parametrize("text", [None, "garbage"])
def test_no_authority(text: str | None, pki: Pki) -> None:
    path = pki.root / "etc/pki/CA/cacert.pem"
    path.unlink()
    if text is not None:
        path.write_text(text)
    done, theirs = pki.both()
    assert done.returncode == theirs.returncode == 1


@pytest.mark.parametrize("kind", ["server", "client"])
def test_a_stranger_is_found_out_here_alone(kind: str, pki: Pki) -> None:
    pki.pair("stranger", kind)
    done, theirs = pki.both()
    assert facts(done) == facts(theirs)
    assert (done.returncode, theirs.returncode) == (1, 0)
    assert f"The {kind} certificate is not one of /etc/pki/CA/cacert.pem: " in done.stdout


def test_the_wrong_purpose_and_the_wrong_key(pki: Pki) -> None:
    pki.pair("client", "server")
    assert "is not one of" in pki.both()[0].stdout
    pki.pair("server", "server")
    pki.put("clientkey.pem", "libvirt/private/serverkey.pem", 0o600)
    done, theirs = pki.both()
    assert (done.returncode, theirs.returncode) == (1, 0)
    assert "is not that of /etc/pki/libvirt/servercert.pem" in done.stdout


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["--nothing"], ["more"]])
def test_the_same_exit_codes(words: list[str]) -> None:
    assert run([*OURS, *words]).returncode == run([*THEIRS, *words]).returncode


@pytest.mark.parametrize("word", ["-V", "--version"])
def test_the_version(word: str) -> None:
    assert f"/usr/bin/{run([*OURS, word]).stdout}" == run([*THEIRS, word]).stdout
