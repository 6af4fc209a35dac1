# SPDX-License-Identifier: Apache-2.0
"""Pools, volumes, secrets and a guest of one embedded root: ``embedded_volumes_session.py DIR``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import virloom

HOME = Path(sys.argv[1])
URI = f"qemu:///embed?root={HOME}/root"
SECRET = """<secret private='yes'><usage type='volume'><volume>v</volume></usage></secret>"""
ENCRYPTION = "<encryption format='luks'><secret type='passphrase' usage='v'/></encryption>"


def document() -> str:
    """A guest that boots the encrypted volume."""
    return f"""<domain type='qemu'><name>guest</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
<disk type='volume' device='disk'><driver name='qemu' type='raw'/>
<source pool='pool' volume='locked'>{ENCRYPTION}</source><target dev='vda' bus='virtio'/></disk>
<serial type='file'><source path='{HOME}/said'/></serial></devices></domain>"""


def main() -> None:
    """The session."""
    (HOME / "pool").mkdir(exist_ok=True)
    with virloom.open_sync(URI) as conn:
        secret = conn.secrets.define_xml(SECRET)
        secret.set_value(b"open sesame")
        pool = conn.storage_pools.define_xml(
            f"<pool type='dir'><name>pool</name><target><path>{HOME}/pool</path></target></pool>"
        )
        pool.create()
        content = (HOME / "boot").read_bytes()
        plain = pool.create_volume(
            f"<volume><name>plain</name><capacity>{len(content)}</capacity></volume>"
        )
        with plain.upload() as stream:
            stream.write(content)
        pool.create_volume(
            "<volume><name>locked</name><capacity>1</capacity>"
            f"<target><format type='raw'/>{ENCRYPTION}</target></volume>",
            source=plain.ref,
        )
        print("made", flush=True)
        guest = conn.create_xml(document())
        deadline = time.monotonic() + 60
        while "BOOTED-ENCRYPTED" not in (HOME / "said").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        guest.destroy()
        print("booted", flush=True)
    with virloom.open_sync(URI) as conn:
        pool = conn.storage_pools.lookup_by_name("pool")
        assert sorted(volume.name for volume in pool.list_volumes()) == ["locked", "plain"]
        assert len(conn.secrets.list()) == 1
        print("kept", flush=True)


main()
