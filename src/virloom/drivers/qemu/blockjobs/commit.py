# SPDX-License-Identifier: Apache-2.0
"""Commit: images of a chain are written down into one below them.

When the guest writes to the topmost of them (an *active* commit), the job is ready once both are
the same, and pivots when it is told to; else it ends by itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from virloom.drivers.qemu.block.layers import Layer, layers_of, removal, root_node, show
from virloom.drivers.qemu.block.live_nodes import set_access
from virloom.drivers.qemu.block.lookup import find_layer, relative_path
from virloom.drivers.qemu.block.owners import own
from virloom.drivers.qemu.blockjobs.begin import Preparation
from virloom.drivers.qemu.blockjobs.config import follow
from virloom.drivers.qemu.blockjobs.job import BlockJob, keep
from virloom.drivers.qemu.blockjobs.pull import reference_to
from virloom.drivers.qemu.blockjobs.rules import chain_for_job, check_idle
from virloom.drivers.qemu.monitor.commands import jobs as qmp
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, VirloomError
from virloom.model.domain import BackingFormat, Disk
from virloom.model.domain.devices.disk import Mirror

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Key of the record's runtime figures: by disk, numbers of images that may be open for writing
#: though they are below the top.
_WRITTEN = "written"


class Span(NamedTuple):
    """What is committed: the images from *top* to above *base*, and what is above *top*."""

    top: Layer
    base: Layer
    above: Layer | None

    @property
    def active(self) -> bool:
        """Whether the guest writes to the topmost of them."""
        return self.above is None


def span_of(
    disk: Disk,
    layers: Sequence[Layer],
    top: str | None,
    base: str | None,
    *,
    active: bool,
    shallow: bool,
) -> Span:
    """Which images a caller means.

    Args:
        top: None is the image that the guest writes to.
        base: None is the last one, or with *shallow* the one below *top*.
        active: Whether the caller knows that the guest writes to *top*.

    Raises:
        InvalidArg: There are no such images, in that order; *active* is not what is the case.
    """
    upper = layers[0] if top in (None, "", disk.target.dev) else find_layer(disk, layers, top or "")
    place = layers.index(upper)
    if place + 1 >= len(layers):
        raise no_base(disk)
    if place == 0 and not active:
        raise _invalid(f"commit of '{disk.target.dev}' active layer requires active flag")
    if place and active:
        raise _invalid(f"active commit requested but '{upper.path}' is not active")
    below = layers[place + 1]
    if base in (None, ""):
        lower = below if shallow else layers[-1]
    else:
        lower = find_layer(disk, layers, base or "", above=upper)
    if shallow and lower is not below:
        raise _invalid(
            f"base '{lower.path}' is not immediately below '{upper.path}' in chain for "
            f"'{layers[0].path}'"
        )
    return Span(upper, lower, layers[place - 1] if place else None)


def no_base(disk: Disk) -> InvalidArg:
    """The error of a commit of an image that nothing is behind."""
    return InvalidArg(
        f"could not find base image in chain for '{disk.target.dev}'", domain=ErrorDomain.STORAGE
    )


def _invalid(what: str) -> InvalidArg:
    return InvalidArg(what, domain=ErrorDomain.QEMU)


async def commit(
    driver: QemuDriver,
    running: RunningGuest,
    disk: Disk,
    span: Span,
    *,
    speed: int,
    relative: bool = False,
    delete: bool = False,
    quiet: bool = False,
) -> BlockJob:
    """Begins a commit; a job that changes the domain is held.

    Args:
        span: Of :func:`span_of`.
        speed: Bytes in a second at most; 0 is no limit.
        relative: What is above refers to the base by a relative path.
        delete: Remove the files of the images that were committed.
        quiet: It is a part of something larger: no events are told.

    Raises:
        BlockCopyActive: The disk has a job.
        OperationInvalid: There is no relative path.
        SystemFailure: An image cannot be opened for writing.
        InternalError: QEMU refuses.
    """
    check_idle(running, disk)
    layers = list(chain_for_job(running, disk))
    named = None
    if span.above is not None:
        named = reference_to(span.base)
        if relative:
            named = relative_path(layers, span.top, span.base)
    kind = "active-commit" if span.active else "commit"
    data = {"top": span.top.number, "base": span.base.number, "delete": delete}
    job = BlockJob(kind, disk, span.top.node, data)
    job.quiet = quiet
    job.flushed = None if span.active else span.base.node
    if span.active:
        disk.mirror = _mirror(span.base)
    try:
        async with Preparation(running, job) as preparation:
            await _let_write(driver, running, disk, span)
            command, arguments = qmp.commit(
                job.id,
                root_node(running, disk),
                span.top.node,
                span.base.node,
                active=span.active,
                backing_file=named,
                speed=speed or None,
            )
            await preparation.tell(command, arguments)
    except VirloomError:
        if running.guest.running is running:
            await take_writing(driver, running, disk)
        raise
    return job


def _mirror(base: Layer) -> Mirror:
    mirror = Mirror(type=base.kind, job="active-commit")
    mirror.format = BackingFormat(type=base.format)
    mirror.source = base.source.copy()
    mirror.source.index = base.number
    return mirror


async def _let_write(driver: QemuDriver, running: RunningGuest, disk: Disk, span: Span) -> None:
    """QEMU writes to the base, and the base's new name into the image above, if that is not top."""
    numbers = [span.base.number]
    if span.above is not None and span.above.number != layers_of(running, disk)[0].number:
        numbers.append(span.above.number)
    await let_write(driver, running, disk, numbers)


async def let_write(
    driver: QemuDriver, running: RunningGuest, disk: Disk, numbers: list[int]
) -> None:
    """Images below the top may be written to, until :func:`take_writing`.

    Raises:
        VirloomError: One cannot be opened for writing.
    """
    # Noted first: it does no harm to take away what was not given.
    running.record.runtime.setdefault(_WRITTEN, {})[alias_of(disk)] = numbers
    for number in numbers:
        layer = next(one for one in layers_of(running, disk) if one.number == number)
        await set_access(driver, running, disk, layer, write=True)


async def take_writing(driver: QemuDriver, running: RunningGuest, disk: Disk) -> None:
    """Images below the top are open for reading only again; a failure is only noted."""
    written = running.record.runtime.get(_WRITTEN, {}).get(alias_of(disk), [])
    for layer in layers_of(running, disk)[1:]:
        if layer.number not in written:
            continue
        try:
            await set_access(driver, running, disk, layer, write=False)
        except VirloomError as exc:
            running.require_current()
            logger.warning("'%s' stays open for writing: %s", layer.path, exc)
        written.remove(layer.number)
    running.record.runtime.get(_WRITTEN, {}).pop(alias_of(disk), None)
    if not running.record.runtime.get(_WRITTEN):
        running.record.runtime.pop(_WRITTEN, None)
    running.save()
    await running.leases.try_settle()


async def finish_commit(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, disk: Disk
) -> None:
    """The images that were committed leave the chain; the base of an active commit is its top."""
    disk.mirror = None
    before = layers_of(running, disk)
    indexes = [layer.number for layer in before]
    top, base = job.data["top"], job.data["base"]
    if job.status == Status.COMPLETED and top in indexes and base in indexes:
        first, last = indexes.index(top), indexes.index(base)
        after = [*before[:first], *before[last:]]
        for layer in before[first:last]:
            job.garbage += removal(running, disk, layer)
        show(running, disk, after)
        await follow(driver, running, disk, before, after)
        own(driver, running, disk, after[:1])
        if job.data["delete"]:
            _delete(before[first:last])
        keep(running, job)
    await take_writing(driver, running, disk)


def _delete(layers: Sequence[Layer]) -> None:
    """Removes the files of images that nobody needs any more."""
    for layer in layers:
        if layer.kind != "file":
            continue
        try:
            os.unlink(layer.path)
        except OSError as exc:
            logger.warning("cannot remove '%s': %s", layer.path, exc.strerror)
