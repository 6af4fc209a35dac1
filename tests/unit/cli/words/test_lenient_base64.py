# SPDX-License-Identifier: Apache-2.0
"""Values of secrets in base64 that is not quite right, read as virsh 9.0.0 reads them."""

from __future__ import annotations

import pytest

from virloom.cli.words.secret import decoded


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"aGVsbG8=", b"hello"),
        (b"aGVsbG8=\n", b"hello"),
        (b"Y W%J j", b"abc"),
        (b"YWJjZ", b"abc"),
        (b"YQ==YQ==", b"aa"),
        (b"Y=Jj", b"`\x02c"),
        (b"====", b"\0"),
        (b"YQ", b""),
        (b"", b""),
    ],
)
def test_decoded(text: bytes, value: bytes) -> None:
    assert decoded(text) == value
