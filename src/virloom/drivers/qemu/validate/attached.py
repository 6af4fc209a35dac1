# SPDX-License-Identifier: Apache-2.0
"""Checks of TPMs, shared memory, vsock, smartcards, redirection, IOMMUs, leases and NVRAM."""

from __future__ import annotations

from virloom.drivers.qemu.devices.address_chipset import is_q35
from virloom.drivers.qemu.devices.boards import is_pseries
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, VirloomError, XmlError
from virloom.model.domain import Domain, Lease, Shmem, Smartcard, Tpm

_BYTES_PER_MIB = 1024 * 1024
_FIRST_CID = 3


def check_given_attached(dom: Domain) -> None:
    """What such a device cannot be without, as the document has it.

    Raises:
        VirloomError: With libvirt's code for the mistake.
    """
    devices = dom.devices
    for lease in devices.leases:
        check_given_lease(lease)
    for card in devices.smartcards:
        _given_smartcard(card)
    for tpm in devices.tpms:
        _given_tpm(tpm)
    for redirdev in devices.redirdevs:
        if redirdev.type is None:
            raise InternalError("a redirected device has no type", domain=ErrorDomain.DOMAIN)
        address = redirdev.address
        if address is not None and address.type not in (None, "usb"):
            raise XmlError(
                f"a redirected device has an address of type 'usb', not '{address.type}'",
                domain=ErrorDomain.DOMAIN,
            )
    for filter_ in devices.redirfilters:
        if any(rule.allow is None for rule in filter_.usbdevs):
            raise XmlError("a rule of <redirfilter> has no 'allow'", domain=ErrorDomain.XML)
    if len(devices.redirfilters) > 1:
        raise InternalError("a guest has one <redirfilter> at most", domain=ErrorDomain.DOMAIN)
    for kind, found in (("vsock", devices.vsocks), ("iommu", devices.iommus)):
        if len(found) > 1:
            raise XmlError(f"a guest has one <{kind}> at most", domain=ErrorDomain.DOMAIN)
    for shmem in devices.shmems:
        _given_shmem(shmem)
    for vsock in devices.vsocks:
        if vsock.cid.address is not None and 0 < vsock.cid.address < _FIRST_CID:
            raise ConfigUnsupported(
                f"guests' addresses begin at {_FIRST_CID}", domain=ErrorDomain.DOMAIN
            )
    _given_iommus(dom)


def check_given_lease(lease: Lease) -> None:
    """What a lease cannot be without.

    Raises:
        XmlError: It has no key or no target.
        InternalError: It has no lock space (libvirt's code for it).
    """
    if not lease.key:
        raise XmlError("a lease has no key", domain=ErrorDomain.DOMAIN)
    if lease.target.path is None:
        raise XmlError("a lease has no target", domain=ErrorDomain.DOMAIN)
    if lease.lockspace is None:
        raise InternalError(f"lease '{lease.key}' has no lock space", domain=ErrorDomain.NONE)


def _given_smartcard(card: Smartcard) -> None:
    error: VirloomError | None = None
    if card.mode is None:
        error = XmlError("a smartcard has no mode", domain=ErrorDomain.XML)
    elif card.mode == "passthrough" and card.type is None:
        error = XmlError("a smartcard has no type", domain=ErrorDomain.DOMAIN)
    elif card.mode == "host-certificates":
        if len(card.certificates) != 3:
            error = XmlError("a smartcard has three certificates", domain=ErrorDomain.DOMAIN)
        elif card.database is not None and not card.database.startswith("/"):
            error = XmlError(f"'{card.database}' is no absolute path", domain=ErrorDomain.DOMAIN)
    address = card.address
    if error is None and address is not None and address.type not in (None, "ccid"):
        if address.type == "virtio-serial":
            # Whether that port exists is looked at first, and it does not.
            return
        error = ConfigUnsupported(
            f"a smartcard cannot have an address of type '{address.type}'",
            domain=ErrorDomain.DOMAIN,
        )
    if error is not None:
        raise error


def _given_tpm(tpm: Tpm) -> None:
    if "backend" not in tpm.__dict__:
        raise XmlError("a TPM has no <backend>", domain=ErrorDomain.DOMAIN)
    backend, source = tpm.backend, tpm.backend.source
    if backend.type is None:
        raise XmlError("the back end of a TPM has no type", domain=ErrorDomain.XML)
    if backend.type != "external":
        return
    wrong = ""
    if source is None or source.type is None:
        wrong = "an external TPM has no source"
    elif source.type != "unix":
        wrong = f"an external TPM has a source of type 'unix', not '{source.type}'"
    elif not source.path:
        wrong = "an external TPM's source has no path"
    if wrong:
        raise XmlError(wrong, domain=ErrorDomain.DOMAIN)


def _given_shmem(shmem: Shmem) -> None:
    name = shmem.name or ""
    if not name:
        raise XmlError("shared memory has no name", domain=ErrorDomain.DOMAIN)
    if "/" in name or name in (".", ".."):
        raise ConfigUnsupported(
            f"'{name}' cannot be the name of shared memory", domain=ErrorDomain.DOMAIN
        )
    if shmem.msi is not None and shmem.server is None:
        raise XmlError("only shared memory with a server has msi", domain=ErrorDomain.DOMAIN)


def _given_iommus(dom: Domain) -> None:
    for iommu in dom.devices.iommus:
        driver = iommu.driver
        if iommu.model is None:
            raise XmlError("an IOMMU has no model", domain=ErrorDomain.XML)
        given = [name for name, value in driver.__dict__.items() if value is not None]
        if iommu.model in ("virtio", "smmuv3") and given:
            raise XmlError(
                f"an IOMMU of model '{iommu.model}' has no {given[0]}", domain=ErrorDomain.DOMAIN
            )
        ioapic = dom.features.ioapic
        split = ioapic is not None and ioapic.driver == "qemu"
        wrong = ""
        if driver.intremap and not split:
            wrong = "interrupt remapping needs <ioapic driver='qemu'/>"
        elif driver.eim and not driver.intremap:
            wrong = "extended interrupt mode needs interrupt remapping"
        if wrong:
            raise ConfigUnsupported(wrong, domain=ErrorDomain.DOMAIN)


def check_attached(dom: Domain) -> None:
    """What this machine and QEMU do not have.

    Raises:
        VirloomError: With libvirt's code for the mistake.
    """
    devices = dom.devices
    _smartcards(dom)
    for tpm in devices.tpms:
        _tpm(tpm)
    if len(devices.tpms) > 1:
        raise ConfigUnsupported("a guest has one TPM at most", domain=ErrorDomain.QEMU)
    if devices.nvrams and not is_pseries(dom):
        raise ConfigUnsupported("only pSeries guests have <nvram>", domain=ErrorDomain.QEMU)
    for shmem in devices.shmems:
        _shmem(shmem)
    for iommu in devices.iommus:
        kind = iommu.address.type if iommu.address is not None else None
        wrong = ""
        if iommu.model == "smmuv3":
            wrong = "only ARM virt machines have an IOMMU of model 'smmuv3'"
        elif not is_q35(dom.os.type.machine):
            wrong = f"this machine has no IOMMU of model '{iommu.model}'; Q35 has"
        elif iommu.model == "virtio" and kind != "pci":
            wrong = f"a virtio IOMMU has a PCI address, not one of type '{kind}'"
        if wrong:
            raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)


def _smartcards(dom: Domain) -> None:
    cards = dom.devices.smartcards
    places = [card.address for card in cards if card.address is not None]
    if len(cards) > 1 or any(place.controller or place.slot for place in places):
        raise ConfigUnsupported("QEMU has one smartcard at most", domain=ErrorDomain.QEMU)


def _tpm(tpm: Tpm) -> None:
    backend = tpm.backend
    if backend.type == "emulator" and backend.version == "1.2":
        banks = backend.active_pcr_banks
        if banks is not None and any(banks.__dict__.values()):
            raise XmlError("only TPM 2.0 has banks of registers", domain=ErrorDomain.DOMAIN)
        if tpm.model == "tpm-crb":
            raise ConfigUnsupported("TPM 1.2 has no interface tpm-crb", domain=ErrorDomain.QEMU)
    if tpm.model in ("tpm-spapr", "spapr-tpm-proxy"):
        raise ConfigUnsupported(
            f"this machine has no TPM model '{tpm.model}'; it has tpm-tis and tpm-crb",
            domain=ErrorDomain.QEMU,
        )


def _shmem(shmem: Shmem) -> None:
    model = shmem.model.type
    wrong = ""
    if model == "ivshmem":
        wrong = "this QEMU has no shared memory of model 'ivshmem'"
    elif model == "ivshmem-plain" and shmem.server is not None:
        wrong = "shared memory of model 'ivshmem-plain' has no server"
    elif model == "ivshmem-doorbell" and shmem.server is None:
        wrong = "shared memory of model 'ivshmem-doorbell' has a server"
    elif model == "ivshmem-doorbell" and shmem.size is not None:
        wrong = "the size of shared memory of model 'ivshmem-doorbell' is its server's"
    if wrong:
        raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)


def check_attached_start(dom: Domain) -> None:
    """What a definition may hold, and no guest can have.

    Raises:
        VirloomError: With libvirt's code for the mistake.
    """
    for shmem in dom.devices.shmems:
        address = shmem.address
        if address is not None and address.type not in (None, "pci"):
            raise ConfigUnsupported(
                f"shared memory has a PCI address, not one of type '{address.type}'",
                domain=ErrorDomain.QEMU,
            )
        if shmem.model.type != "ivshmem-plain":
            continue
        size = shmem.size or 0
        if size & (size - 1):
            wrong = "is no power of two"
        elif size < _BYTES_PER_MIB:
            wrong = "is less than 1 MiB"
        else:
            continue
        raise XmlError(f"the size of shared memory {wrong}", domain=ErrorDomain.QEMU)
