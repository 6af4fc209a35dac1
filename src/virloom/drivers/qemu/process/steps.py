# SPDX-License-Identifier: Apache-2.0
"""The steps of a guest's start and stop, by name, so that tests can order a fault at each one.

A step is announced when it has been done. What is on disk by then must be enough for whoever
comes next to clean up or to take over, should this process die right there.
"""

from __future__ import annotations

from virloom.drivers.runtime.steps import observed as observed
from virloom.drivers.runtime.steps import reached as reached

#: In order. Those up to ``running-recorded`` belong to a start, the others to a stop.
STEPS = (
    "intent-recorded",
    "groups-made",
    "directory-made",
    "files-opened",
    "monitor-listening",
    "spawned",
    "process-recorded",
    "monitor-connected",
    "configured",
    "started",
    "running-recorded",
    "stopping-recorded",
    "terminated",
    "ended",
    "released",
    "record-removed",
)

#: Before ``files-opened`` of guests with cards on the host's networks.
CARD_STEPS = ("ports-taken", "links-made", "taps-told", "taps-made", "filters-bound")

#: Before ``files-opened`` of guests that get devices of the host.
HOSTDEV_STEPS = ("devices-noted", "devices-taken")
#: After those, of network cards that are virtual functions.
FUNCTION_STEPS = ("function-noted", "function-set")
#: Of one that changes hands without a guest.
HANDING_STEPS = ("handing-noted", "handed-over")

#: After ``files-opened`` of guests whose files become QEMU's own.
OWNER_STEPS = ("owners-recorded", "owners-changed", "labels-recorded")

#: Of a guest with a lock manager: before ``started``, and when it is paused or has ended.
LEASE_STEPS = ("leases-noted", "leases-given", "leases-returned")

#: Of a device that is plugged in and taken out; ``before-COMMAND`` comes before each command too.
DEVICE_STEPS = ("device-noted", "device-plugged", "device-gone", "device-dropped")

#: Of a medium that is exchanged.
MEDIUM_STEPS = ("medium-noted", "medium-removed", "medium-inserted")

#: Of a block job. ``before-COMMAND`` comes before each command of its preparation too.
BLOCK_JOB_STEPS = (
    "job-noted",
    "image-owner-noted",
    "storage-swapped",
    "job-started",
    "job-ready",
    "job-pivoting",
    "job-aborting",
    "job-pending",
    "job-flushed",
    "job-concluded",
    "job-dismissed",
    "job-settled",
    "job-cleaned",
)
#: Of a checkpoint that is made, and of one that is deleted.
CHECKPOINT_STEPS = ("checkpoint-noted", "checkpoint-made", "checkpoint-written")
DISCARD_STEPS = ("checkpoint-noted", "checkpoint-discarded")

#: Of a vCPU that is plugged in or taken out.
VCPU_STEPS = ("before-vcpu", "vcpu-plugged", "vcpu-gone", "vcpu-shown", "vcpu-recorded")

#: Of a thread for input and output that is made and ended.
IOTHREAD_STEPS = ("iothread-noted", "iothread-plugged", "iothread-gone")
#: Of a backup that begins, before the end of its first job, and of one that ends.
BACKUP_STEPS = (
    "backup-noted",
    "backup-file-made",
    "backup-listening",
    "before-transaction",
    "backup-begun",
    "backup-exported",
    "backup-running",
)
BACKUP_END_STEPS = ("backup-ending", "backup-cleaned")

#: Of work at snapshots, beside ``snapshot-WORK-PHASE`` for each phase of its journal.
SNAPSHOT_STEPS = (
    "snapshot-noted",
    "snapshot-defined",
    "snapshot-paused",
    "snapshot-stopped",
    "snapshot-image-kept",
    "snapshot-state-kept",
    "snapshot-memory-begun",
    "snapshot-memory-written",
    "snapshot-overlay-made",
    "snapshot-switched",
    "snapshot-followed",
    "snapshot-shown",
    "snapshot-images-restored",
    "snapshot-reverted",
    "snapshot-image-dropped",
    "snapshot-disk-merged",
    "snapshot-rebased",
    "snapshot-merged",
)

#: In order, before those of a stop.
SAVE_STEPS = (
    "save-recorded",
    "save-paused",
    "save-file-made",
    "save-written",
    "save-complete",
)

#: A start that goes on from a file has one more, before ``started``.
LOADED = "state-loaded"
