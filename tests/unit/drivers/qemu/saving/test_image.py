# SPDX-License-Identifier: Apache-2.0
"""The head of a saved guest's file."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest

from virloom.drivers.qemu.saving.image import PARTIAL, SavedImage, is_partial, read_image
from virloom.errors import OperationFailed

IMAGE = SavedImage("<domain/>", "", True, 2).with_room()


@pytest.fixture
def fd() -> Iterator[int]:
    """An empty file."""
    file = os.memfd_create("image")
    yield file
    os.close(file)


def put(fd: int, data: bytes) -> int:
    """The file with *data*, at its beginning."""
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


@pytest.mark.parametrize("cookie", ["", "<cookie/>"])
def test_what_is_written_is_read(fd: int, cookie: str) -> None:
    image = IMAGE._replace(cookie=cookie)
    data = image.encode()
    assert len(data) == image.stream
    assert image.stream % 4096 == 0
    assert read_image(put(fd, data + b"QEVM")) == image
    assert os.read(fd, 4) == b"QEVM"


def test_the_bytes_are_libvirts() -> None:
    data = IMAGE._replace(cookie="<c/>").encode()
    assert data[:16] == b"LibvirtQemudSave"
    assert struct.unpack("=5I", data[16:36]) == (2, IMAGE.length, 1, 2, 10)
    assert data[36:92] == bytes(56)
    assert data[92:].rstrip(b"\0") == b"<domain/>\0<c/>"


@pytest.mark.parametrize("order", ["<", ">"])
def test_either_byte_order_is_read(fd: int, order: str) -> None:
    head = struct.pack(order + "16s5I56x", b"LibvirtQemudSave", 2, 5, 0, 0, 0)
    image = read_image(put(fd, head + b"<d/>\0"))
    assert (image.document, image.was_running, image.stream) == ("<d/>", False, 97)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x" * 10, "failed to read qemu header"),
        (b"x" * 100, "image magic is incorrect"),
        (IMAGE.encode(PARTIAL), "save image is incomplete"),
        (IMAGE.encode()[:1000], "failed to read domain XML"),
        (struct.pack("=16s5I56x", b"LibvirtQemudSave", 7, 5, 0, 0, 0), "version is not supported"),
        (struct.pack("=16s5I56x", b"LibvirtQemudSave", 2, 0, 0, 0, 0), "data length"),
        (struct.pack("=16s5I56x", b"LibvirtQemudSave", 2, 1 << 31, 0, 0, 0), "data length"),
        (struct.pack("=16s5I56x", b"LibvirtQemudSave", 2, 2, 0, 0, 2) + b"a\0", "cookie offset"),
        (struct.pack("=16s5I56x", b"LibvirtQemudSave", 2, 2, 0, 0, 0) + b"\xff\0", "UTF-8"),
    ],
)
def test_what_is_no_saved_guest(fd: int, data: bytes, words: str) -> None:
    with pytest.raises(OperationFailed, match=words):
        read_image(put(fd, data))


def test_a_partial_file_is_known(fd: int) -> None:
    assert is_partial(put(fd, IMAGE.encode(PARTIAL)))


def test_a_document_needs_room() -> None:
    with pytest.raises(OperationFailed, match="too large"):
        IMAGE._replace(document="x" * IMAGE.length).encode()
