# SPDX-License-Identifier: Apache-2.0
"""Emulated TPMs: their state on disk, and the process of each.

``swtpm`` gets one end of a socket pair and QEMU the other. So there is no path, nobody else can
connect, and the emulator ends when QEMU does, whatever becomes of us.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.enums.domain import DomainUndefineFlagsValues
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, OperationTimeout, system_failure
from virloom.host.files import ensure_directory
from virloom.host.process import Process, SpawnRequest, spawn
from virloom.model.domain import Domain, Tpm
from virloom.procedures import secret as p

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_PROGRAM = "swtpm"
_SETUP = "swtpm_setup"
_BANKS = ("sha1", "sha256", "sha384", "sha512")
_CIPHER = "aes-256-cbc"

#: Seconds that making the keys and certificates of a new module may take.
_SETUP_LIMIT = 60.0


def emulated_tpm(dom: Domain) -> Tpm | None:
    """The guest's TPM, if it is an emulated one."""
    return next((tpm for tpm in dom.devices.tpms if tpm.backend.type == "emulator"), None)


def state_directory(driver: QemuDriver, uuid: str) -> Path:
    """Where the module of a guest keeps its keys, which outlive runs; libvirt's place."""
    return driver.directories.lib.parent / "swtpm" / uuid


def outlives(tpm: Tpm) -> bool:
    """Whether the state is kept when nobody defines the guest any more."""
    return bool(tpm.backend.persistent_state)


async def start_tpm(driver: QemuDriver, dom: Domain, stack: ExitStack) -> int | None:
    """Starts the emulator of the guest's TPM, with a new state if it has none.

    Returns:
        The descriptor that QEMU talks to it by, which *stack* closes; None without such a TPM.

    Raises:
        ConfigUnsupported: There is no emulator.
        OperationTimeout: The setup of a new module did not end.
        VirloomError: The setup failed, or the secret cannot be read.
    """
    tpm = emulated_tpm(dom)
    if tpm is None:
        return None
    import shutil  # takes the compressors along, for guests with a TPM only

    for program in (_PROGRAM, _SETUP):
        if shutil.which(program) is None:
            raise ConfigUnsupported(
                f"domain '{dom.name}' has an emulated TPM, which needs '{program}'",
                domain=ErrorDomain.QEMU,
                remedy="install the packages swtpm and swtpm-tools",
            )
    emulator = _Emulator(driver, dom, tpm, stack, await _secret(driver, tpm))
    await emulator.set_up()
    return emulator.start()


class _Emulator:
    """One module: its state, its user, its log."""

    def __init__(
        self, driver: QemuDriver, dom: Domain, tpm: Tpm, stack: ExitStack, secret: bytes | None
    ) -> None:
        self._dom = dom
        self._tpm = tpm
        self._stack = stack
        self._secret = secret
        self._owner = _owner()
        base = state_directory(driver, dom.uuid or "")
        self._two = tpm.backend.version == "2.0"
        self._state = base / ("tpm2" if self._two else "tpm1.2")
        ensure_directory(base.parent, 0o711)
        ensure_directory(base, 0o711)
        ensure_directory(driver.directories.log)
        self._log_path = driver.directories.log / f"{dom.name}-swtpm.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._log = os.open(self._log_path, flags, 0o600)
        stack.callback(os.close, self._log)

    async def set_up(self) -> None:
        """Makes keys and certificates, as a factory does; of a known module at most its banks."""
        banks = self._tpm.backend.active_pcr_banks
        chosen = [name for name in _BANKS if banks is not None and getattr(banks, name)]
        fresh = not self._state.exists()
        if not fresh and not chosen:
            return
        argv = [_SETUP, "--tpm-state", ".", *(["--tpm2"] if self._two else [])]
        if fresh:
            self._make_directory()
            argv += ["--vmid", f"{self._dom.name}:{self._dom.uuid}", "--createek"]
            argv += ["--create-ek-cert", "--create-platform-cert", "--lock-nvram"]
            argv += ["--not-overwrite"]
        else:
            argv += ["--reconfigure"]
        if chosen:
            argv += ["--pcr-banks", ",".join(chosen)]
        pass_fds = []
        if self._secret is not None:
            pass_fds.append(self._secret_file())
            argv += ["--pwdfile-fd", str(pass_fds[0]), "--cipher", _CIPHER]
        try:
            await self._run(argv, pass_fds)
        except BaseException:
            if fresh:
                import shutil

                shutil.rmtree(self._state, ignore_errors=True)
            raise

    def _make_directory(self) -> None:
        try:
            self._state.mkdir(0o700)
            if self._owner is not None:
                os.chown(self._state, *self._owner)
        except OSError as error:
            raise system_failure(f"cannot make the directory '{self._state}'", error) from error

    def start(self) -> int:
        """Starts the emulator; returns QEMU's end of its connection."""
        ours, its = socket.socketpair()
        with its:
            argv = [_PROGRAM, "socket", "--ctrl", f"type=unixio,clientfd={its.fileno()}"]
            argv += ["--tpmstate", "dir=.,mode=0600", "--log", f"fd={self._log}", "--terminate"]
            argv += ["--tpm2"] if self._two else []
            pass_fds = [its.fileno(), self._log]
            if self._secret is not None:
                pass_fds.append(self._secret_file())
                argv += ["--key", f"pwdfd={pass_fds[-1]},mode={_CIPHER}"]
            try:
                process = self._spawn(argv, pass_fds)
            except BaseException:
                ours.close()
                raise
        process.on_exit(lambda _code: process.close())
        self._stack.callback(ours.close)
        return ours.fileno()

    def _secret_file(self) -> int:
        """The secret as a file that has no name, read once."""
        assert self._secret is not None
        fd = os.memfd_create("virloom-tpm-key", os.MFD_CLOEXEC)
        self._stack.callback(os.close, fd)
        os.write(fd, self._secret)
        os.lseek(fd, 0, os.SEEK_SET)
        if self._owner is not None:
            os.fchown(fd, *self._owner)
        return fd

    def _spawn(self, argv: list[str], pass_fds: list[int]) -> Process:
        user, group = self._owner or (None, None)
        # From within the state's directory: the emulator's user may not be allowed down to it.
        return spawn(
            SpawnRequest(
                argv=argv,
                cwd=str(self._state),
                stdout=self._log,
                stderr=self._log,
                pass_fds=pass_fds,
                user=user,
                group=group,
                groups=None if user is None else (),
            )
        )

    async def _run(self, argv: list[str], pass_fds: list[int]) -> None:
        process = self._spawn(argv, pass_fds)
        try:
            async with asyncio.timeout(_SETUP_LIMIT):
                code = await process.wait()
        except TimeoutError as error:
            raise OperationTimeout(
                f"the setup of the TPM of domain '{self._dom.name}' did not end within "
                f"{_SETUP_LIMIT:.0f} s",
                domain=ErrorDomain.QEMU,
            ) from error
        finally:
            process.send_signal(9)
            await process.wait()
            process.close()
        if code:
            raise InternalError(
                f"'{_SETUP}' failed for domain '{self._dom.name}' with status {code}; "
                f"'{self._log_path}' says why",
                domain=ErrorDomain.QEMU,
            )


def _owner() -> tuple[int, int] | None:
    """Who the emulator runs as: Debian's user for it when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("tss")
    except KeyError:
        return None
    return entry.pw_uid, entry.pw_gid


async def _secret(driver: QemuDriver, tpm: Tpm) -> bytes | None:
    """What the state is encrypted with, asked of whoever keeps secrets."""
    encryption = tpm.backend.encryption
    if encryption is None or encryption.secret is None:
        return None
    async with driver.areas.opened("secret", trusted=True) as endpoint:
        uuid = bytes.fromhex(encryption.secret.replace("-", ""))
        found = await endpoint.call(p.SECRET_LOOKUP_BY_UUID, p.SecretLookupByUUIDArgs(uuid))
        args = p.SecretGetValueArgs(found.secret, 0)
        return bytes((await endpoint.call(p.SECRET_GET_VALUE, args)).value)


def keeps_state(tpm: Tpm | None, flags: int) -> bool:
    """Whether the module's state stays when the guest is undefined with these *flags*."""
    known = DomainUndefineFlagsValues
    if flags & known.KEEP_TPM:
        return True
    return tpm is not None and outlives(tpm) and not flags & known.TPM


def remove_state(path: Path) -> None:
    """Removes a module's keys for good.

    Raises:
        SystemFailure: They cannot be removed.
    """
    import shutil

    try:
        shutil.rmtree(path)
    except OSError as error:
        raise system_failure(f"cannot remove the TPM's state '{path}'", error) from error
