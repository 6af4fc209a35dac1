# SPDX-License-Identifier: Apache-2.0
"""Which security models are used, by qemu.conf and by what the kernel has."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.errors import ConfigUnsupported, InternalError
from virloom.security.stack import Stack, choose, enabled


@pytest.fixture
def apparmor(tmp_path: Path) -> Path:
    """A host whose kernel has AppArmor."""
    file = tmp_path / "sys/module/apparmor/parameters/enabled"
    file.parent.mkdir(parents=True)
    file.write_text("Y\n")
    profiles = tmp_path / "sys/kernel/security/apparmor/profiles"
    profiles.parent.mkdir(parents=True)
    profiles.touch()
    return tmp_path


@pytest.fixture
def both(apparmor: Path) -> Path:
    file = apparmor / "sys/fs/selinux/enforce"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    return apparmor


def test_without_a_word_the_kernels_own_is_taken(
    tmp_path: Path, apparmor: Path, both: Path
) -> None:
    assert choose(None, root=tmp_path / "nothing") == Stack()
    assert choose(None, root=both).models == ("selinux",)


def test_apparmor_alone(apparmor: Path) -> None:
    assert choose(None, root=apparmor).primary == "apparmor"
    (apparmor / "sys/module/apparmor/parameters/enabled").write_text("N\n")
    assert not enabled("apparmor", apparmor)
    assert choose(None, root=apparmor).primary == "none"


def test_apparmor_whose_profiles_cannot_be_seen(apparmor: Path) -> None:
    """The kernel has it, and securityfs is not mounted: nothing could be loaded."""
    (apparmor / "sys/kernel/security/apparmor/profiles").unlink()
    assert choose(None, root=apparmor).primary == "none"
    with pytest.raises(ConfigUnsupported, match="apparmor/profiles") as refused:
        choose(["apparmor"], root=apparmor)
    assert "securityfs" in (refused.value.remedy or "")


def test_several_are_stacked_and_none_is_none(both: Path) -> None:
    assert choose(["apparmor", "selinux"], root=both).models == ("apparmor", "selinux")
    assert choose(["none"], root=both) == Stack()
    assert choose(["none", "dac"], root=both).primary == "none"


@pytest.mark.parametrize(
    ("wanted", "error", "said"),
    [
        (["selinux"], ConfigUnsupported, "selinux"),
        (["smack"], InternalError, "smack"),
    ],
)
def test_one_that_is_not_there(
    apparmor: Path, wanted: list[str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        choose(wanted, root=apparmor)


@pytest.mark.parametrize("wanted", [None, ["none"]])
def test_confinement_that_nothing_gives(tmp_path: Path, wanted: list[str] | None) -> None:
    with pytest.raises(ConfigUnsupported, match="security_require_confined"):
        choose(wanted, require_confined=True, root=tmp_path)


def test_labels_of_other_models_are_refused() -> None:
    stack = Stack(("apparmor",))
    stack.check([None, "none", "dac", "apparmor"], "it")
    with pytest.raises(ConfigUnsupported, match="'selinux' of it"):
        stack.check(["dac", "selinux"], "it")
