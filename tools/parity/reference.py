# SPDX-License-Identifier: Apache-2.0
"""libvirt's answers: asked for once, and kept until somebody wants them anew."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.parity.outcome import CRASHED, Outcome, from_json

#: The interpreter of Debian's binding.
INTERPRETER = "/usr/bin/python3"

KEPT = Path(__file__).resolve().parents[2] / "build" / "parity" / "libvirt.json"

#: Seconds for one run of libvirt's side; emulators of seven architectures may have to be probed.
_LIMIT = 900

#: Stands for the directory of the driver in what is kept.
_ROOT = "@ROOT@"


def answers(documents: dict[str, str], *, renew: bool = False) -> dict[str, Outcome]:
    """What libvirt 9 makes of each document, by its name.

    Args:
        documents: Text by name.
        renew: Ask again for those that are known, too.
    """
    kept = _load()
    keys = {name: _key(text) for name, text in documents.items()}
    missing = {key: documents[name] for name, key in keys.items() if renew or key not in kept}
    if missing:
        print(f"parity: asking libvirt about {len(missing)} documents", file=sys.stderr)
        kept.update(zip(missing, _ask(list(missing.values())), strict=True))
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(kept))
    return {name: from_json(kept[key]) for name, key in keys.items()}


def _load() -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(KEPT.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return kept


def _key(text: str) -> str:
    script = Path(__file__).with_name("libvirt_side.py").read_bytes()
    return hashlib.sha256(script + text.encode()).hexdigest()


def _ask(texts: list[str]) -> list[dict[str, Any]]:
    """The outcomes of all *texts*; one that ends libvirt's process has that as its outcome."""
    found: list[dict[str, Any]] = []
    while len(found) < len(texts):
        lines = _run(texts[len(found) :])
        if len(lines) % 2:
            lines.append(CRASHED)
        found += [
            {"document": document, "native": native}
            for document, native in zip(lines[::2], lines[1::2], strict=True)
        ]
        if len(found) < len(texts) and lines[-1] is not CRASHED:
            found.append({"document": CRASHED, "native": None})
    return found


def _run(texts: list[str]) -> list[Any]:
    """Two answers for each of the first of *texts*, as far as one process came."""
    with tempfile.TemporaryDirectory(prefix="parity-") as place:
        root, outcomes = Path(place, "r"), Path(place, "outcomes")
        Path(place, "documents").write_text(json.dumps(texts), encoding="utf-8")
        outcomes.touch()
        script = str(Path(__file__).with_name("libvirt_side.py"))
        arguments = [INTERPRETER, script, str(root), f"{place}/documents", str(outcomes)]
        try:
            done = subprocess.run(
                arguments, timeout=_LIMIT, check=False, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            done = None
        lines = outcomes.read_text(encoding="utf-8").replace(str(root), _ROOT).splitlines()
    if not lines and done is not None and done.returncode == 1:
        raise SystemExit(f"parity: libvirt cannot be asked: {done.stderr.strip()}")
    return [json.loads(line) for line in lines]
