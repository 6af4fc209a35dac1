# SPDX-License-Identifier: Apache-2.0
"""Documents of volumes, right and wrong, for a pool of files: ``volumes(directory)``.

A ``qemu-img`` that logs tells what each of them has made.
"""

from __future__ import annotations

from collections.abc import Iterator

MODES = "<permissions><mode>{}</mode><owner>{}</owner><group>{}</group></permissions>"
NONE = "<allocation>0</allocation>"
MIB = "<capacity unit='MiB'>1</capacity>"


def volume(target: str = "", sizes: str = MIB, more: str = "", name: str = "v") -> str:
    """A document."""
    target = f"<target>{target}</target>" if target else ""
    return f"<volume><name>{name}</name>{sizes}{more}{target}</volume>"


def form(name: str, more: str = "") -> str:
    """A target of a format."""
    return f"<format type='{name}'/>{more}"


def sizes() -> Iterator[tuple[str, str]]:
    """What is said of sizes."""
    for unit in ("B", "bytes", "KB", "k", "KiB", "MB", "M", "MiB", "GiB", "odd", ""):
        yield (
            f"unit {unit}",
            volume(sizes=f"<capacity unit='{unit}'>3</capacity><allocation>0</allocation>"),
        )
    for value in ("0", "1", "511", "513", "-1", "x", "", "1.5", "18446744073709551616"):
        yield (
            f"capacity {value}",
            volume(sizes=f"<capacity>{value}</capacity>{NONE}"),
        )
    yield (
        "capacity of E",
        volume(sizes=f"<capacity unit='E'>16</capacity>{NONE}"),
    )
    yield "no capacity", volume(sizes="")
    for value in ("0", "4096", "1048576", "2097152", "-1", "x"):
        yield f"allocation {value}", volume(sizes=f"{MIB}<allocation>{value}</allocation>")
    yield "allocation unit", volume(sizes=f"{MIB}<allocation unit='KiB'>64</allocation>")
    yield "physical", volume(sizes=f"{MIB}<physical>5</physical>")


def names() -> Iterator[tuple[str, str]]:
    """What volumes are called."""
    for name in ("plain", "with blank", ".hidden", "-dash", "a&amp;b", "ünder"):
        yield f"name {name}", volume(name=name)
    yield "no name", f"<volume>{MIB}</volume>"
    yield "key", volume(more="<key>/odd/place</key>")
    yield "path", volume("<path>/odd/place</path>")
    yield "type file", volume().replace("<volume>", "<volume type='file'>")
    yield "type block", volume().replace("<volume>", "<volume type='block'>")
    yield "type odd", volume().replace("<volume>", "<volume type='odd'>")
    yield "other root", "<pool/>"
    yield "malformed", "<volume>"


def targets() -> Iterator[tuple[str, str]]:
    """Formats, features, permissions."""
    for name in ("raw", "qcow2", "bochs", "cloop", "odd", "none"):
        yield f"format {name}", volume(form(name))
    for compat in ("0.10", "1.1", "2.0", "odd"):
        yield f"compat {compat}", volume(form("qcow2", f"<compat>{compat}</compat>"))
    lazy = "<features><lazy_refcounts/></features>"
    for compat in ("0.10", "1.1"):
        yield f"lazy {compat}", volume(form("qcow2", f"<compat>{compat}</compat>{lazy}"))
    yield "lazy alone", volume(form("qcow2", lazy))
    yield (
        "extended l2",
        volume(form("qcow2", "<compat>1.1</compat><features><extended_l2/></features>")),
    )
    for size in (
        "<clusterSize unit='KiB'>128</clusterSize>",
        "<clusterSize>1000</clusterSize>",
        "<clusterSize unit='MiB'>2</clusterSize>",
        "<clusterSize unit='MiB'>4</clusterSize>",
    ):
        yield f"cluster {size}", volume(form("qcow2", f"<compat>1.1</compat>{size}"))
    yield "nocow", volume(form("raw", "<nocow/>"))
    for mode in ("0600", "0644", "777", "1777", "8", ""):
        yield f"mode {mode}", volume(form("raw", MODES.format(mode, 0, 0)))
    for owner in ("", " ", " 5", "+5", "1.0", "1e2", "-1", "-2"):
        yield f"owner {owner}", volume(form("raw", MODES.format("+640", owner, 0)))
    for features in ("<odd/>", "<lazy_refcounts/><odd/>", "odd", "<extended_l2 odd='1'/>"):
        target = f"<compat>1.1</compat><features>{features}</features>"
        yield f"features {features}", volume(form("qcow2", target))
        yield f"features of raw {features}", volume(form("raw", target))
    yield "owner", volume(form("raw", MODES.format("0640", 1, 2)))
    yield "owner of qcow2", volume(form("qcow2", MODES.format("0640", 1, 2)))
    yield "times", volume(form("raw", "<timestamps><atime>1.0</atime></timestamps>"))


def backed(directory: str) -> Iterator[tuple[str, str]]:
    """Volumes that are laid over others."""
    for below in ("base.raw", "base.qcow2", "not-there"):
        path = f"<path>{directory}/{below}</path>"
        kind = below.partition(".")[2] or "raw"
        for target in ("qcow2", "raw"):
            backing = f"<backingStore>{path}<format type='{kind}'/></backingStore>"
            yield f"{target} over {below}", volume(form(target), more=backing)
    path = f"<path>{directory}/base.raw</path>"
    yield "no format below", volume(form("qcow2"), more=f"<backingStore>{path}</backingStore>")
    yield (
        "odd format below",
        volume(form("qcow2"), more=f"<backingStore>{path}<format type='odd'/></backingStore>"),
    )
    yield (
        "no path below",
        volume(form("qcow2"), more="<backingStore><format type='raw'/></backingStore>"),
    )
    yield "empty below", volume(form("qcow2"), more="<backingStore/>")
    for target in ("qcow2", "raw"):
        nothing = f"<backingStore>{path}<format type=''/></backingStore>"
        yield f"{target} over nothing said", volume(form(target), more=nothing)
    for mode, owner in (("8", 1), ("0600", "")):
        more = f"<backingStore>{path}{MODES.format(mode, owner, 1)}</backingStore>"
        yield f"below of {mode} and {owner}", volume(form("qcow2"), more=more)


def volumes(directory: str) -> dict[str, str]:
    """All of them, by name; the directory has ``base.raw`` and ``base.qcow2``."""
    return dict([*sizes(), *names(), *targets(), *backed(directory)])
