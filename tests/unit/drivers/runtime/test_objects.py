# SPDX-License-Identifier: Apache-2.0
"""What indexes of objects go by."""

from __future__ import annotations

from uuid import UUID

from virloom.drivers.runtime.objects import uuid_text


def test_a_uuid_in_its_usual_form() -> None:
    text = "00112233-4455-6677-8899-aabbccddeeff"
    assert uuid_text(UUID(text).bytes) == text
    assert uuid_text(bytes(16)) == str(UUID(int=0))
