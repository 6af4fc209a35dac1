# SPDX-License-Identifier: Apache-2.0
"""Backing chains found in image headers, over a fake reader."""

from __future__ import annotations

import errno
import json
import struct

import pytest

from virloom.drivers.qemu.block.chain import MAX_DEPTH, ImageLayer, chain_of, disk_chain
from virloom.drivers.runtime.image import ImageHead
from virloom.errors import (
    ConfigUnsupported,
    OperationInvalid,
    StorageProbeFailed,
    SystemFailure,
    system_failure,
)
from virloom.model.domain import Disk
from virloom.xml import parse_document


def qcow2(
    backing: str = "", image_format: str = "qcow2", *, version: int = 3, **fields: int
) -> bytes:
    """The beginning of a qcow2 image as QEMU's documentation lays it out."""
    header_length = 104 if version == 3 else 72
    extensions = b""
    if image_format:
        name = image_format.encode()
        extensions = struct.pack(">II", 0xE2792ACA, len(name)) + name.ljust(8, b"\0")
    extensions += struct.pack(">II", 0, 0)
    offset = header_length + len(extensions) if backing else 0
    raw = backing.encode()
    head = b"QFI\xfb" + struct.pack(">IQI", version, offset, len(raw))
    head += struct.pack(">IQI", 16, 1 << 20, fields.get("crypt", 0))
    head = head.ljust(72, b"\0")
    if version == 3:
        head += struct.pack(">QQQII", fields.get("incompatible", 0), 0, 0, 4, 104)
    return head + extensions + raw


class Images:
    """A fake reader over images in memory; every name is its own file unless aliased."""

    def __init__(self, files: dict[str, bytes], aliases: dict[str, str] | None = None) -> None:
        self.files = files
        self.aliases = aliases or {}

    def __call__(self, path: str) -> ImageHead:
        path = self.aliases.get(path, path)
        if path not in self.files:
            missing = FileNotFoundError(errno.ENOENT, "no such file")
            raise system_failure(f"Cannot access storage file '{path}'", missing)
        return ImageHead(
            (1, list(self.files).index(path)), path.startswith("/dev/"), self.files[path]
        )


def test_single_images() -> None:
    images = Images({"/a": qcow2(), "/dev/x": b"anything"})
    assert chain_of("/a", "qcow2", images) == (ImageLayer("/a", "qcow2"),)
    assert chain_of("/dev/x", "raw", images) == (ImageLayer("/dev/x", "raw", block=True),)


def test_raw_content_is_never_believed() -> None:
    images = Images({"/a": qcow2("/secret")})
    assert chain_of("/a", "raw", images) == (ImageLayer("/a", "raw"),)


@pytest.mark.parametrize("version", [2, 3])
def test_relative_references_start_at_their_image(version: int) -> None:
    images = Images(
        {
            "/i/top": qcow2("sub/mid", version=version),
            "/i/sub/mid": qcow2("../base", "raw", version=version),
            "/i/sub/../base": b"",
        }
    )
    assert chain_of("/i/top", "qcow2", images) == (
        ImageLayer("/i/top", "qcow2"),
        ImageLayer("/i/sub/mid", "qcow2"),
        ImageLayer("/i/sub/../base", "raw"),
    )


@pytest.mark.parametrize(
    "reference",
    [
        "file:/b",
        "json:" + json.dumps({"driver": "qcow2", "file": {"driver": "file", "filename": "/b"}}),
        "json:" + json.dumps({"driver": "qcow2", "file.filename": "/b", "file.driver": "file"}),
    ],
)
def test_other_spellings_of_a_local_file(reference: str) -> None:
    images = Images({"/a": qcow2(reference), "/b": qcow2()})
    assert chain_of("/a", "qcow2", images)[1] == ImageLayer("/b", "qcow2")


@pytest.mark.parametrize(
    "reference",
    [
        "nbd://host/x",
        "json:" + json.dumps({"driver": "nbd", "host": "x"}),
        "json:" + json.dumps({"driver": "raw", "file": {"driver": "nbd", "filename": "x"}}),
        "json:" + json.dumps({"driver": "vmdk", "file": {"filename": "/b"}}),
        "json:[]",
    ],
)
def test_what_is_no_local_file_is_refused(reference: str) -> None:
    with pytest.raises(ConfigUnsupported, match="/a"):
        chain_of("/a", "qcow2", Images({"/a": qcow2(reference), "/b": qcow2()}))


def test_a_loop_is_found_by_identity() -> None:
    images = Images({"/a": qcow2("/b"), "/b": qcow2("/link")}, {"/link": "/a"})
    with pytest.raises(OperationInvalid, match="contains itself"):
        chain_of("/a", "qcow2", images)


def test_depth_is_bounded() -> None:
    files = {f"/{i}": qcow2(f"/{i + 1}") for i in range(MAX_DEPTH + 1)}
    files[f"/{MAX_DEPTH - 1}"] = qcow2()
    assert len(chain_of("/0", "qcow2", Images(files))) == MAX_DEPTH
    files[f"/{MAX_DEPTH - 1}"] = qcow2(f"/{MAX_DEPTH}")
    with pytest.raises(OperationInvalid, match="more than 200"):
        chain_of("/0", "qcow2", Images(files))


def test_missing_format_is_raw_or_an_error_with_its_remedy() -> None:
    plain = Images({"/a": qcow2("/b", ""), "/b": b"\0" * 512})
    assert chain_of("/a", "qcow2", plain)[1] == ImageLayer("/b", "raw")
    formatted = Images({"/a": qcow2("/b", ""), "/b": qcow2()})
    with pytest.raises(OperationInvalid, match="qemu-img rebase"):
        chain_of("/a", "qcow2", formatted)


def test_missing_backing_file_names_both() -> None:
    with pytest.raises(SystemFailure, match=r"'/b'.*backing file of '/a'") as caught:
        chain_of("/a", "qcow2", Images({"/a": qcow2("/b")}))
    assert caught.value.int1 == errno.ENOENT


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", StorageProbeFailed),
        (b"\0" * 512, StorageProbeFailed),
        (qcow2()[:80], StorageProbeFailed),
        (qcow2("/b")[:-1], StorageProbeFailed),
        (b"QFI\xfb" + struct.pack(">I", 9) + b"\0" * 100, ConfigUnsupported),
        (qcow2(crypt=1), ConfigUnsupported),
        (qcow2(incompatible=4), ConfigUnsupported),
        (qcow2("a\0b"), StorageProbeFailed),
    ],
)
def test_unsound_images(content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error, match="/a"):
        chain_of("/a", "qcow2", Images({"/a": content}))


def test_a_damaged_extension_is_an_error() -> None:
    image = bytearray(qcow2("/b"))
    image[108:112] = struct.pack(">I", 1 << 30)
    with pytest.raises(StorageProbeFailed, match="extension"):
        chain_of("/a", "qcow2", Images({"/a": bytes(image), "/b": b""}))


def test_unknown_format() -> None:
    with pytest.raises(ConfigUnsupported, match="'aio'"):
        chain_of("/a", "aio", Images({"/a": b""}))


def test_an_image_of_another_kind_stands_alone() -> None:
    assert chain_of("/a", "vmdk", Images({"/a": b""})) == (ImageLayer("/a", "vmdk"),)


def disk(body: str, kind: str = "file") -> Disk:
    return parse_document(
        Disk, f"<disk type='{kind}' device='disk'>{body}<target dev='vda' bus='virtio'/></disk>"
    )


def plain(chain: tuple[ImageLayer, ...]) -> list[tuple[str, str, bool]]:
    return [layer[:3] for layer in chain]


TOP = "<driver type='qcow2'/><source file='/a'/>"
MIDDLE = "<backingStore type='file'><format type='qcow2'/><source file='/m'/>"


def test_a_chain_that_the_document_spells_out() -> None:
    images = Images({"/a": qcow2("/elsewhere"), "/m": qcow2("/b"), "/b": qcow2(), "/dev/x": b""})
    alone = disk(TOP + "<backingStore/>")
    assert plain(disk_chain(alone, images)) == [("/a", "qcow2", False)]
    ended = disk(TOP + MIDDLE + "<backingStore/></backingStore>")
    assert plain(disk_chain(ended, images)) == [("/a", "qcow2", False), ("/m", "qcow2", False)]
    device = "<backingStore type='block'><format type='raw'/><source dev='/dev/x'/></backingStore>"
    on_device = disk(TOP + MIDDLE + device + "</backingStore>")
    layer = disk_chain(on_device, images)[2]
    # The host decides what is a block device, not the document.
    assert (layer.path, layer.format, layer.kind) == ("/dev/x", "raw", "block")


def test_the_rest_of_an_open_chain_is_looked_up() -> None:
    images = Images({"/a": qcow2("/elsewhere"), "/m": qcow2("/b"), "/b": qcow2()})
    chain = disk_chain(disk(TOP + MIDDLE + "</backingStore>"), images)
    assert [layer.path for layer in chain] == ["/a", "/m", "/b"]


def test_a_drive_without_a_medium_has_no_chain() -> None:
    assert disk_chain(disk(""), Images({})) == ()


def test_a_backing_image_elsewhere_is_taken_as_it_stands() -> None:
    store = (
        "<backingStore type='network'><format type='qcow2'/><source protocol='nbd' name='e'>"
        "<host name='h'/></source></backingStore>"
    )
    top, below = disk_chain(disk(TOP + store), Images({"/a": qcow2()}))
    assert top.is_local
    assert not below.is_local
    assert below.kind == "network"
    assert below.source is not None
    assert below.source.name == "e"
