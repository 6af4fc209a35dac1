# SPDX-License-Identifier: Apache-2.0
"""Values on disk, encrypted and plain, and what says which it is."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from virloom.drivers.secret.cipher import Cipher
from virloom.drivers.secret.config import CREDENTIAL, SecretConfig
from virloom.drivers.secret.document import parse
from virloom.drivers.secret.store import SecretStore
from virloom.errors import ConfigUnsupported, ConfSyntax, SystemFailure

UUID = "11111111-2222-3333-4444-555555555555"
OTHER = "11111111-2222-3333-4444-666666666666"
MODEL = parse(f"<secret><uuid>{UUID}</uuid></secret>", validate=False)
KEY, OTHER_KEY = bytes(range(32)), bytes(32)


def values(directory: Path, cipher: Cipher | None) -> list[bytes | None]:
    return [stored.value for stored in SecretStore(directory, cipher).load()]


def files(directory: Path) -> set[str]:
    return {path.suffix for path in directory.iterdir()}


def test_sealed_and_opened() -> None:
    cipher = Cipher(KEY)
    sealed = cipher.seal(UUID, b"value")
    assert cipher.open(UUID, sealed + b"\n") == b"value"
    assert cipher.seal(UUID, b"value") != sealed  # another nonce each time
    assert b"value" not in base64.b64decode(sealed)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda sealed: sealed[:-8], "does not open it"),
        (lambda sealed: b"A" * 4 + sealed[4:], "does not open it"),
        (lambda sealed: b"AAAA", "too short"),
        (lambda sealed: b"*" + sealed, "not base64"),
        (lambda sealed: Cipher(OTHER_KEY).seal(UUID, b"value"), "does not open it"),
        (lambda sealed: Cipher(KEY).seal(OTHER, b"value"), "does not open it"),
    ],
)
def test_what_is_no_value(change: object, problem: str) -> None:
    cipher = Cipher(KEY)
    assert callable(change)
    with pytest.raises(ValueError, match=problem):
        cipher.open(UUID, change(cipher.seal(UUID, b"a value of some length")))


def test_plain_values_are_read_and_replaced(tmp_path: Path) -> None:
    SecretStore(tmp_path).save(MODEL, b"value")
    assert files(tmp_path) == {".xml", ".base64"}
    cipher = Cipher(KEY)
    assert values(tmp_path, cipher) == [b"value"]
    SecretStore(tmp_path, cipher).save_value(MODEL, b"other")
    assert files(tmp_path) == {".xml", ".aes256gcm"}
    assert values(tmp_path, cipher) == [b"other"]
    SecretStore(tmp_path).save_value(MODEL, b"plain")
    assert files(tmp_path) == {".xml", ".base64"}
    SecretStore(tmp_path, cipher).save_value(MODEL, b"again")
    SecretStore(tmp_path, cipher).save_value(MODEL, None)
    assert files(tmp_path) == {".xml"}


def test_of_two_the_one_counts_that_would_be_written(tmp_path: Path) -> None:
    cipher = Cipher(KEY)
    SecretStore(tmp_path, cipher).save(MODEL, b"sealed")
    (tmp_path / f"{UUID}.base64").write_bytes(base64.b64encode(b"plain"))
    assert values(tmp_path, cipher) == [b"sealed"]
    assert values(tmp_path, None) == [b"plain"]
    SecretStore(tmp_path, cipher).delete(MODEL)
    assert files(tmp_path) == set()


@pytest.mark.parametrize("cipher", [None, Cipher(OTHER_KEY)])
def test_without_its_key_a_secret_is_left_alone(
    tmp_path: Path, cipher: Cipher | None, caplog: pytest.LogCaptureFixture
) -> None:
    SecretStore(tmp_path, Cipher(KEY)).save(MODEL, b"value")
    assert values(tmp_path, cipher) == []
    assert "is left out" in caplog.text
    assert values(tmp_path, Cipher(KEY)) == [b"value"]


def config(directory: Path, text: str) -> SecretConfig:
    path = directory / "secret.conf"
    path.write_text(text)
    return SecretConfig.load(path)


def key_file(directory: Path, content: bytes = KEY) -> Path:
    path = directory / "key"
    path.write_bytes(content)
    return path


def test_a_key_file(tmp_path: Path) -> None:
    cipher = config(tmp_path, f'secrets_encryption_key = "{key_file(tmp_path)}"\n').cipher()
    assert cipher is not None
    assert Cipher(KEY).open(UUID, cipher.seal(UUID, b"value")) == b"value"


def test_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / CREDENTIAL).write_bytes(KEY)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert SecretConfig.load(tmp_path / "no.conf").cipher() is not None
    assert config(tmp_path, "encrypt_data = 0\n").cipher() is None
    short = key_file(tmp_path, b"short")  # the file of the configuration comes first
    with pytest.raises(ConfigUnsupported, match="must have 32 bytes"):
        config(tmp_path, f'secrets_encryption_key = "{short}"\n').cipher()


def test_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert config(tmp_path, "").cipher() is None
    with pytest.raises(ConfigUnsupported, match="there is no key"):
        config(tmp_path, "encrypt_data = 1\n").cipher()
    with pytest.raises(SystemFailure, match="cannot read the key"):
        config(tmp_path, 'secrets_encryption_key = "/nosuch"\n').cipher()


@pytest.mark.parametrize("line", ["encrypt_data = 2", 'encrypt_data = "yes"', "encrypt_data ="])
def test_wrong_settings(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfSyntax, match=r"secret\.conf"):
        config(tmp_path, line + "\n")
