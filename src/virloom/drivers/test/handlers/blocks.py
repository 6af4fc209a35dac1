# SPDX-License-Identifier: Apache-2.0
"""The disks of domains: figures, sizes, limits."""

from __future__ import annotations

from typing import Any

from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.runtime.parameters import Kinds
from virloom.drivers.test.arguments import (
    IMPACT,
    STRING_OKAY,
    check_flags,
    document,
    require_active,
)
from virloom.drivers.test.disks import find_disk
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.figures import Figures
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainDiskErrorCode
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationUnsupported
from virloom.model.domain import Disk
from virloom.procedures import domain as p

#: Of every disk, in bytes.
_CAPACITY = 1099506450432
_ALLOCATION = 1 << 40

_RATES = (
    "total_bytes_sec", "read_bytes_sec", "write_bytes_sec", "total_iops_sec", "read_iops_sec",
    "write_iops_sec",
)  # fmt: skip
_PEAKS = tuple(f"{rate}_max" for rate in _RATES)
_LENGTHS = tuple(f"{peak}_length" for peak in _PEAKS)
_IOTUNE = Kinds(
    dict.fromkeys((*_RATES, *_PEAKS, "size_iops_sec"), "ullong")
    | {"group_name": "string"}
    | dict.fromkeys(_LENGTHS, "ullong")
)


class Blocks:
    """Handlers of disks."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_BLOCK_STATS)
    def stats(self, call: Call, args: p.DomainBlockStatsArgs) -> p.DomainBlockStatsRet:
        guest = self._driver.find(args.dom)
        if not args.path:
            raise OperationUnsupported(
                "summary statistics are not supported yet", domain=ErrorDomain.TEST
            )
        model = require_active(guest)
        if find_disk(model, args.path) is None:
            raise InvalidArg(f"invalid path: {args.path}", domain=ErrorDomain.TEST)
        return p.DomainBlockStatsRet(*Figures().block())

    @serves(p.DOMAIN_GET_BLOCK_INFO)
    def info(self, call: Call, args: p.DomainGetBlockInfoArgs) -> p.DomainGetBlockInfoRet:
        if not args.path:
            raise senseless("string disk in virDomainGetBlockInfo must not be empty")
        check_flags(call, args.flags)
        if find_disk(self._driver.find(args.dom).model, args.path) is None:
            raise InvalidArg(
                f"invalid path {args.path} not assigned to domain", domain=ErrorDomain.TEST
            )
        return p.DomainGetBlockInfoRet(_ALLOCATION, _CAPACITY, _ALLOCATION)

    @serves(p.DOMAIN_GET_DISK_ERRORS)
    def disk_errors(self, call: Call, args: p.DomainGetDiskErrorsArgs) -> p.DomainGetDiskErrorsRet:
        """Every disk has had one; the kinds take turns."""
        check_flags(call, args.flags)
        disks = require_active(self._driver.find(args.dom)).devices.disks
        if args.maxerrors == 0:
            return p.DomainGetDiskErrorsRet([], len(disks))
        codes = (DomainDiskErrorCode.UNSPEC, DomainDiskErrorCode.NO_SPACE)
        errors = [
            p.DomainDiskError(disk.target.dev or "", int(codes[number % len(codes)]))
            for number, disk in enumerate(disks)
        ][: args.maxerrors]
        return p.DomainGetDiskErrorsRet(errors, len(errors))

    @serves(p.DOMAIN_SET_BLOCK_IO_TUNE)
    def set_io_tune(self, call: Call, args: p.DomainSetBlockIoTuneArgs) -> None:
        check_flags(call, args.flags, IMPACT)
        values = _IOTUNE.check(args.params)
        disk = self._disk(args)
        wanted = _limits(disk) | values
        _check_limits(wanted)
        for name in wanted:
            setattr(disk.iotune, name, wanted[name] or None)

    @serves(p.DOMAIN_GET_BLOCK_IO_TUNE)
    def get_io_tune(
        self, call: Call, args: p.DomainGetBlockIoTuneArgs
    ) -> p.DomainGetBlockIoTuneRet:
        check_flags(call, args.flags, IMPACT | STRING_OKAY)
        values = _limits(self._disk(args))
        return p.DomainGetBlockIoTuneRet(*_IOTUNE.answer(values, args.nparams))

    def _disk(self, args: Any) -> Disk:
        model = document(self._driver.find(args.dom), args.flags)
        disk = find_disk(model, args.disk or "")
        if disk is None:
            raise InvalidArg(
                f"disk '{args.disk}' was not found in the domain config", domain=ErrorDomain.TEST
            )
        return disk


def _limits(disk: Disk) -> dict[str, Any]:
    names = (*_RATES, *_PEAKS, "size_iops_sec", *_LENGTHS)
    values: dict[str, Any] = {name: getattr(disk.iotune, name) or 0 for name in names}
    return values | {"group_name": disk.iotune.group_name or ""}


def _check_limits(values: dict[str, Any]) -> None:
    for what in ("bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"):
        if values[f"total_{what}"] and (values[f"read_{what}"] or values[f"write_{what}"]):
            raise InvalidArg(
                f"total and read/write of {what} cannot be set at the same time",
                domain=ErrorDomain.TEST,
            )
    for rate, peak in zip(_RATES, _PEAKS, strict=True):
        if values[rate] > values[peak]:
            raise InvalidArg(f"{rate} cannot be set higher than {peak}", domain=ErrorDomain.TEST)
