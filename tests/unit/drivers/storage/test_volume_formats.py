# SPDX-License-Identifier: Apache-2.0
"""Which volumes are made, and what qemu-img is told of them."""

from __future__ import annotations

import pytest

from virloom.drivers.storage.encryption import options
from virloom.drivers.storage.making import check_makeable, qcow2_options
from virloom.drivers.storage.volumes import parse_volume
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    NoSupport,
    NumericOverflow,
    VirloomError,
    XmlError,
)
from virloom.model.storage import Pool, Volume
from virloom.xml import parse_document

PLACE = "<target><path>/p</path></target>"
POOL = parse_document(Pool, f"<pool type='dir'><name>p</name>{PLACE}</pool>")
KEY = "<secret type='passphrase' usage='v'/>"
BELOW = "<backingStore><path>/b</path></backingStore>"
OLD = "<compat>0.10</compat><features><extended_l2/></features>"


def volume(kind: str, target: str = "", more: str = "", capacity: int = 1) -> Volume:
    return parse_volume(
        POOL,
        f"<volume><name>v</name><capacity>{capacity}</capacity>{more}"
        f"<target><format type='{kind}'/>{target}</target></volume>",
    )


@pytest.mark.parametrize("kind", ["iso", "qcow", "qed", "vmdk", "vdi", "vpc", "ploop", "bochs"])
def test_formats_are_refused_by_name(kind: str) -> None:
    with pytest.raises((ConfigUnsupported, InternalError), match=f"'{kind}'"):
        check_makeable(volume(kind), metadata=False)


def test_a_cd_is_copied() -> None:
    check_makeable(volume("iso"), metadata=False, copied=True)


@pytest.mark.parametrize(
    ("model", "metadata", "error"),
    [
        (volume("raw"), True, ConfigUnsupported),
        (volume("raw", more=BELOW), False, NoSupport),
        (volume("qcow2", OLD), False, ConfigUnsupported),
        (volume("qcow2", more=BELOW), True, ConfigUnsupported),
    ],
)
def test_what_does_not_go_together(
    model: Volume, metadata: bool, error: type[VirloomError]
) -> None:
    with pytest.raises(error):
        check_makeable(model, metadata=metadata)


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("<compat>2</compat>", XmlError),
        ("<compat>1.1.1</compat>", XmlError),
        ("<encryption/>", XmlError),
        ("<permissions><mode>0644 </mode></permissions>", XmlError),
        ("<permissions><owner>root</owner></permissions>", XmlError),
        ("<permissions><owner>-2</owner></permissions>", XmlError),
        ("<permissions><group>4294967296</group></permissions>", XmlError),
    ],
)
def test_documents_that_are_refused(target: str, error: type[VirloomError]) -> None:
    with pytest.raises(error):
        volume("raw", target)
    with pytest.raises(NumericOverflow, match="value too large"):
        volume("raw", target, capacity=1 << 63)


def test_numbers_as_libvirt_reads_them() -> None:
    permissions = volume(
        "raw",
        "<permissions><mode> 000644</mode><owner> +5</owner><group>-1</group></permissions>"
        "<clusterSize>0</clusterSize>",
    ).target
    assert permissions.permissions.mode == "0644"
    assert (permissions.permissions.owner, permissions.permissions.group) == ("5", "-1")
    assert permissions.cluster_size.value is None


def test_what_qemu_img_is_told() -> None:
    assert qcow2_options(volume("qcow2"), metadata=False) == "compat=v2"
    every = (
        "<features><lazy_refcounts/><extended_l2/></features><nocow/>"
        "<clusterSize unit='KiB'>128</clusterSize>"
        f"<encryption format='luks'>{KEY}<cipher name='aes' size='256' mode='xts' hash='sha256'/>"
        "<ivgen name='plain64'/></encryption>"
    )
    assert qcow2_options(volume("qcow2", every), metadata=True).split(",") == [
        "compat=v3", "preallocation=metadata", "nocow=on", "lazy_refcounts=on", "extended_l2=on",
        "cluster_size=131072", "encrypt.format=luks", "encrypt.key-secret=key",
        "encrypt.cipher-alg=aes-256", "encrypt.cipher-mode=xts", "encrypt.hash-alg=sha256",
        "encrypt.ivgen-alg=plain64",
    ]  # fmt: skip


def test_no_document_ends_an_option() -> None:
    cipher = "<cipher name='aes,size=1' size='256'/>"
    model = volume("raw", f"<encryption format='luks'>{KEY}{cipher}</encryption>")
    assert model.target.encryption is not None
    told = list(options(model.target.encryption))
    assert told == ["key-secret=key", "cipher-alg=aes,,size=1-256"]
