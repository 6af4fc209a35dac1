# SPDX-License-Identifier: Apache-2.0
"""What the guest in a domain is asked, itself or its agent: every answer is made up."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.test.arguments import STRING_OKAY, check_flags, require_active
from virloom.drivers.test.domain import Guest as Domain
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.picture import picture
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.stream import BytesStream
from virloom.enums.domain import DomainProcessSignal, DomainSetUserPasswordFlags, KeycodeSet
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, OperationInvalid
from virloom.procedures import domain as p
from virloom.procedures.record import typed_value
from virloom.procedures.types import NonnullDomain, TypedParam

#: Seconds since the epoch that every guest's clock shows.
_TIME = 627319920
#: Mount points of every guest.
_MOUNTS = ("/", "/boot")
_MOST_KEYCODE = 0x2FF


class Guests:
    """Handlers of questions to guests."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    def _active(self, ref: NonnullDomain) -> Domain:
        guest = self._driver.find(ref)
        require_active(guest)
        return guest

    # -- clock and name ------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_TIME)
    def get_time(self, call: Call, args: p.DomainGetTimeArgs) -> p.DomainGetTimeRet:
        check_flags(call, args.flags)
        if not self._driver.find(args.dom).active:
            raise OperationInvalid("domain is not running", domain=ErrorDomain.TEST)
        return p.DomainGetTimeRet(_TIME, 0)

    @serves(p.DOMAIN_SET_TIME)
    def set_time(self, call: Call, args: p.DomainSetTimeArgs) -> None:
        check_flags(call, args.flags, 1)  # VIR_DOMAIN_TIME_SYNC
        self._active(args.dom)

    @serves(p.DOMAIN_GET_HOSTNAME)
    def get_hostname(self, call: Call, args: p.DomainGetHostnameArgs) -> p.DomainGetHostnameRet:
        check_flags(call, args.flags)
        return p.DomainGetHostnameRet(f"{self._active(args.dom).name}host")

    # -- file systems --------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_FSINFO)
    def fs_info(self, call: Call, args: p.DomainGetFsinfoArgs) -> p.DomainGetFsinfoRet:
        """Two partitions of the first disk."""
        check_flags(call, args.flags)
        disks = self._active(args.dom).model.devices.disks
        name = disks[0].target.dev or "" if disks else ""
        infos = [
            p.DomainFsinfo(mount, f"{name}{number}", "ext4", [name])
            for number, mount in enumerate(_MOUNTS if disks else (), 1)
        ]
        return p.DomainGetFsinfoRet(infos, len(infos))

    @serves(p.DOMAIN_FSFREEZE)
    def fs_freeze(self, call: Call, args: p.DomainFsfreezeArgs) -> p.DomainFsfreezeRet:
        check_flags(call, args.flags)
        guest = self._active(args.dom)
        wanted = _mounts(args.mountpoints)
        changed = wanted - guest.frozen
        guest.frozen |= wanted
        return p.DomainFsfreezeRet(len(changed))

    @serves(p.DOMAIN_FSTHAW)
    def fs_thaw(self, call: Call, args: p.DomainFsthawArgs) -> p.DomainFsthawRet:
        check_flags(call, args.flags)
        guest = self._active(args.dom)
        wanted = _mounts(args.mountpoints)
        changed = wanted & guest.frozen
        guest.frozen -= wanted
        return p.DomainFsthawRet(len(changed))

    @serves(p.DOMAIN_FSTRIM)
    def fs_trim(self, call: Call, args: p.DomainFstrimArgs) -> None:
        check_flags(call, args.flags)
        self._active(args.dom)
        _mounts([args.mount_point] if args.mount_point else [])

    # -- users, keys, signals ------------------------------------------------------------------

    @serves(p.DOMAIN_SET_USER_PASSWORD)
    def set_user_password(self, call: Call, args: p.DomainSetUserPasswordArgs) -> None:
        check_flags(call, args.flags, DomainSetUserPasswordFlags.ENCRYPTED)
        self._active(args.dom)

    @serves(p.DOMAIN_INJECT_NMI)
    def inject_nmi(self, call: Call, args: p.DomainInjectNmiArgs) -> None:
        check_flags(call, args.flags)
        self._active(args.dom)

    @serves(p.DOMAIN_SEND_KEY)
    def send_key(self, call: Call, args: p.DomainSendKeyArgs) -> None:
        if args.codeset not in tuple(KeycodeSet):
            raise senseless(f"Unsupported codeset '{args.codeset}'")
        check_flags(call, args.flags)
        self._active(args.dom)
        for code in args.keycodes:
            if code > _MOST_KEYCODE:
                name = KeycodeSet(args.codeset).name.lower()
                raise InternalError(
                    f"invalid keycode {code} of {name} codeset", domain=ErrorDomain.TEST
                )

    @serves(p.DOMAIN_SEND_PROCESS_SIGNAL)
    def send_process_signal(self, call: Call, args: p.DomainSendProcessSignalArgs) -> None:
        """Nothing minds a signal."""
        if not args.pid_value:
            raise senseless("pid_value in virDomainSendProcessSignal must not be zero")
        check_flags(call, args.flags)
        if args.pid_value != 1:
            raise InvalidArg("only sending a signal to pid 1 is supported", domain=ErrorDomain.TEST)
        if args.signum not in tuple(DomainProcessSignal):
            raise InvalidArg(f"signum value {args.signum} is out of range", domain=ErrorDomain.TEST)
        self._active(args.dom)

    # -- what it shows -------------------------------------------------------------------------

    @serves(p.DOMAIN_SCREENSHOT)
    def screenshot(self, call: Call, args: p.DomainScreenshotArgs) -> p.DomainScreenshotRet:
        check_flags(call, args.flags)
        self._driver.find(args.dom)
        call.attach_stream(BytesStream(picture()))
        return p.DomainScreenshotRet("image/png")

    @serves(p.DOMAIN_GET_LAUNCH_SECURITY_INFO)
    def launch_security_info(
        self, call: Call, args: p.DomainGetLaunchSecurityInfoArgs
    ) -> p.DomainGetLaunchSecurityInfoRet:
        """libvirt's own driver never answers this: it refuses a flag that its library adds."""
        check_flags(call, args.flags, STRING_OKAY)
        self._driver.find(args.dom)
        value = typed_value("string", "DUMMYMEASUREMENT")
        return p.DomainGetLaunchSecurityInfoRet([TypedParam("sev-measurement", value)])


def _mounts(names: Sequence[str]) -> set[str]:
    """The mount points that are meant; all where none is named."""
    for name in names:
        if name not in _MOUNTS:
            raise OperationInvalid(f"mount point not found: {name}", domain=ErrorDomain.TEST)
    return set(names or _MOUNTS)
