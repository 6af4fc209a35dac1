# SPDX-License-Identifier: Apache-2.0
"""What a saved guest's file says beside the document."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.saving.cookie import (
    check_helpers,
    processor_in,
    shortened,
    spelled_out,
)
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.domain import Domain
from virloom.xml import parse_document

#: As libvirt 9.0.0 wrote it here.
THEIRS = """<cookie>
  <cpu mode='custom' match='exact' check='full'>
    <model fallback='forbid'>qemu64</model>
    <feature policy='require' name='hypervisor'/>
    <feature policy='require' name='lahf_lm'/>
    <feature policy='disable' name='svm'/>
  </cpu>
  <slirpHelper/>
</cookie>
"""


def guest(network: str) -> Domain:
    """A guest with a network card."""
    card = f"<interface type='user'>{network}</interface>"
    return parse_document(
        Domain, f"<domain type='qemu'><name>web</name><devices>{card}</devices></domain>"
    )


def test_libvirts_is_read() -> None:
    cpu = processor_in(THEIRS)
    assert cpu is not None
    assert cpu.check == "full"
    assert [(feature.policy, feature.name) for feature in cpu.features] == [
        ("require", "hypervisor"),  # QEMU's model has the other one
        ("disable", "svm"),
    ]


def test_all_features_are_named_and_shortened_again() -> None:
    cpu = processor_in(THEIRS)
    assert cpu is not None
    written = spelled_out(cpu, "none")
    assert written.check == "none"
    said = {feature.name: feature.policy for feature in written.features}
    assert (said["lahf_lm"], said["sse2"], said["svm"]) == ("require", "require", "disable")
    read = shortened(written)
    assert read.check == "full"
    assert [feature.name for feature in read.features] == ["hypervisor", "svm"]


@pytest.mark.parametrize("text", ["", "<cookie/>", "<cookie><slirpHelper/></cookie>"])
def test_the_document_may_have_the_processor(text: str) -> None:
    assert processor_in(text) is None


def test_a_helper_for_user_networks() -> None:
    check_helpers("", guest(""))
    check_helpers("<cookie/>", guest(""))
    check_helpers(THEIRS, guest("<backend type='passt'/>"))
    check_helpers(THEIRS, Domain())
    with pytest.raises(ConfigUnsupported, match="slirp-helper"):
        check_helpers(THEIRS, guest(""))


def test_what_is_no_cookie() -> None:
    with pytest.raises(XmlError):
        processor_in("<biscuit/>")
