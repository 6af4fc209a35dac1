# SPDX-License-Identifier: Apache-2.0
"""Writes the table of x86 CPU models and features anew, from QEMU's own answers.

    python -m tools.cpu_table

The models are what ``query-cpu-model-expansion`` of type ``full`` says of each, the bits what
``feature-words`` and ``filtered-features`` of a vCPU gain by a feature. Nothing is taken from
libvirt's map of CPUs; names differ from QEMU's where libvirt uses one of QEMU's other spellings.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = (
    Path(__file__).parents[1]
    / "src"
    / "virloom"
    / "drivers"
    / "qemu"
    / "capabilities"
    / "cpu_table.py"
)
PROGRAM = "qemu-system-x86_64"
#: Machines die of some combinations; few vCPUs in each keep that cheap.
_BATCH = 60
_XSAVE_LEAF = 0xD
#: Bits that no vCPU can be given alone, by the processors' manuals.
_KNOWN = {
    "apic": (0x1, 0, "EDX", 9),
    "osxsave": (0x1, 0, "ECX", 27),
    "rdctl-no": (0x10A, 0, "MSR", 0),
    "ibrs-all": (0x10A, 0, "MSR", 1),
    "rsba": (0x10A, 0, "MSR", 2),
    "skip-l1dfl-vmentry": (0x10A, 0, "MSR", 3),
    "ssb-no": (0x10A, 0, "MSR", 4),
    "mds-no": (0x10A, 0, "MSR", 5),
    "pschange-mc-no": (0x10A, 0, "MSR", 6),
    "tsx-ctrl": (0x10A, 0, "MSR", 7),
    "taa-no": (0x10A, 0, "MSR", 8),
    "split-lock-detect": (0xCF, 0, "MSR", 5),
}
#: What QEMU gives every vCPU, whatever its model.
_EVERYBODYS = ("hypervisor",)
_NO_MODEL = re.compile(r".*-v[0-9]+|base|host|max")
_NO_FEATURE = re.compile(r"vmx-.*|x-.*|hv-.*|kvm.*")
#: Of several spellings of a bit, the one that documents have.
_PREFERRED = (
    "pclmuldq", "sse4.1", "sse4.2", "tsc_adjust", "lahf_lm", "cmp_legacy", "fxsr_opt", "nx", "lm",
    "pni", "nrip-save", "perfctr_core", "perfctr_nb", "nodeid_msr", "mmxext",
)  # fmt: skip


class Qemu:
    """One QEMU without a guest, and its monitor on its standard input and output."""

    def __init__(self, *arguments: str) -> None:
        argv = [PROGRAM, "-nodefaults", "-display", "none", "-S", "-accel", "tcg", "-qmp", "stdio"]
        self._process = subprocess.Popen(
            [*argv, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.used = 0
        self._line()
        self.ask("qmp_capabilities")

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            raise EOFError
        answer: dict[str, Any] = json.loads(text)
        return answer

    def ask(self, command: str, **arguments: Any) -> Any:
        """The answer to *command*; None if it was refused.

        Raises:
            EOFError: QEMU died of it.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        while True:
            answer = self._line()
            if "event" not in answer:
                return answer.get("return")

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()


def models() -> dict[str, dict[str, Any]]:
    """All properties of every model, by its name; ``max`` and ``base`` among them."""
    qemu = Qemu("-machine", "none")
    names = [item["name"] for item in qemu.ask("query-cpu-definitions")]
    chosen = [name for name in names if not _NO_MODEL.fullmatch(name)]
    found = {}
    for name in [*chosen, "max", "base"]:
        answer = qemu.ask("query-cpu-model-expansion", type="full", model={"name": name})
        found[name] = answer["model"]["props"]
    qemu.close()
    return found


def _words(qemu: Qemu, path: str, prop: str) -> list[tuple[tuple[int, int, str], int]]:
    return [
        (
            (word["cpuid-input-eax"], word.get("cpuid-input-ecx", 0), word["cpuid-register"]),
            word["features"],
        )
        for word in qemu.ask("qom-get", path=path, property=prop)
    ]


def bits(names: list[str]) -> dict[str, tuple[int, int, str, int]]:
    """The CPUID bit of each feature that is exactly one."""
    found: dict[str, tuple[int, int, str, int]] = dict(_KNOWN)
    qemu = None
    for name in names:
        if qemu is None or qemu.used >= _BATCH:
            if qemu is not None:
                qemu.close()
            topology = f"1,sockets={_BATCH + 2},cores=1,threads=1,maxcpus={_BATCH + 2}"
            qemu = Qemu("-machine", "q35", "-cpu", "base", "-smp", topology)
            path = qemu.ask("query-cpus-fast")[0]["qom-path"]
            plain = dict(_words(qemu, path, "feature-words"))
        qemu.used += 1
        try:
            gained = list(_gained(qemu, name, plain))
        except EOFError:
            print(f"cpu_table: QEMU dies of '{name}'", file=sys.stderr)
            qemu.close()
            qemu = None
            continue
        # What a feature brings into XSAVE's own leaf is a consequence of it.
        own = [bit for bit in gained if bit[0] != _XSAVE_LEAF] or gained
        if len(own) == 1:
            found[name] = own[0]
    if qemu is not None:
        qemu.close()
    return found


def _gained(
    qemu: Qemu, name: str, plain: dict[tuple[int, int, str], int]
) -> Iterator[tuple[int, int, str, int]]:
    """The bits that a vCPU with the feature has, or would have, beyond one without."""
    number = qemu.used
    place = {"socket-id": number, "core-id": 0, "thread-id": 0}
    cpu = {"driver": "base-x86_64-cpu", "id": f"c{number}", **place, name: True}
    if qemu.ask("device_add", **cpu) is None:
        return
    path = f"/machine/peripheral/c{number}"
    for prop in ("feature-words", "filtered-features"):
        for word, value in _words(qemu, path, prop):
            for bit in range(32):
                if value & ~plain[word] & (1 << bit):
                    yield (*word, bit)


def render(found: dict[str, dict[str, Any]], known: dict[str, tuple[int, int, str, int]]) -> str:
    """The module."""
    spellings: dict[tuple[int, int, str, int], str] = {}
    for name, bit in sorted(known.items(), key=lambda item: (item[0] not in _PREFERRED, item[0])):
        best = spellings.setdefault(bit, name)
        if best not in _PREFERRED and "_" in best and "_" not in name:
            spellings[bit] = name
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        "# Generated by tools/cpu_table.py from the answers of QEMU 7.2; do not edit.",
        '"""x86 CPU models and features, as QEMU 7.2 answers (``python -m tools.cpu_table``)."""',
        "",
        "from __future__ import annotations",
        "",
        "#: Leaf, subleaf, register and bit of CPUID by the name of the feature.",
        "FEATURES: dict[str, tuple[int, int, str, int]] = {",
        *(
            f'    "{name}": ({bit[0]:#x}, {bit[1]}, "{bit[2].lower()}", {bit[3]}),'
            for bit, name in sorted(spellings.items())
        ),
        "}",
        "",
        "#: Vendor, family, model, stepping and features by the name of the model.",
        "MODELS: dict[str, tuple[str, int, int, int, str]] = {",
    ]
    for name, props in found.items():
        has = sorted({spellings[known[p]] for p, on in props.items() if on is True and p in known})
        has = [feature for feature in has if name == "max" or feature not in _EVERYBODYS]
        numbers = f"{props['family']}, {props['model']}, {props['stepping']}"
        lines.append(f'    "{name}": (')
        lines.append(f'        "{props["vendor"]}", {numbers},')
        wrapped = textwrap.wrap(" ".join(has), 84, break_on_hyphens=False)
        lines += [f'        "{line} "' for line in wrapped[:-1]]
        lines.append(f'        "{wrapped[-1] if wrapped else ""}",')
        lines.append("    ),")
    return "\n".join([*lines, "}", ""])


def main() -> int:
    """Writes the table."""
    found = models()
    names = [
        name
        for name, value in found["max"].items()
        if isinstance(value, bool) and not _NO_FEATURE.fullmatch(name) and name not in _KNOWN
    ]
    TABLE.write_text(render(found, bits(names)), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(TABLE)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
