# SPDX-License-Identifier: Apache-2.0
"""The domain document: one file per element, all classes by name."""

from __future__ import annotations

from virloom.model.domain.base import DomainElement
from virloom.model.domain.clock import Clock, Timer
from virloom.model.domain.cpu import Cpu, CpuCache, CpuFeature, CpuModel, MaxPhysAddr, Topology
from virloom.model.domain.devices.address import Address
from virloom.model.domain.devices.chardev import (
    Channel,
    ChannelTarget,
    Chardev,
    ChardevSource,
    Console,
    ConsoleTarget,
    Log,
    Parallel,
    ParallelTarget,
    Protocol,
    Serial,
    SerialTarget,
    TargetModel,
)
from virloom.model.domain.devices.container import Devices
from virloom.model.domain.devices.controller import (
    Controller,
    ControllerDriver,
    ControllerMaster,
    ControllerModel,
    ControllerTarget,
)
from virloom.model.domain.devices.device import Alias, Boot, Device, Rom, VirtioOptions
from virloom.model.domain.devices.disk import (
    BackingFormat,
    BackingStore,
    BlockIo,
    Disk,
    DiskDriver,
    DiskSource,
    DiskTarget,
    Geometry,
)
from virloom.model.domain.devices.graphics import Graphics, GraphicsAudio, Listen
from virloom.model.domain.devices.hostdev import (
    Hostdev,
    HostdevHost,
    HostdevSource,
    SourceAddress,
    Teaming,
)
from virloom.model.domain.devices.hub import Hub
from virloom.model.domain.devices.input import Input, InputSource
from virloom.model.domain.devices.interface import (
    Interface,
    InterfaceBackend,
    InterfaceDriver,
    InterfaceIp,
    InterfaceModel,
    InterfaceSource,
    InterfaceTarget,
    Link,
    Mac,
    Mtu,
)
from virloom.model.domain.devices.iommu import Iommu, IommuDriver
from virloom.model.domain.devices.lease import Lease, LeaseTarget
from virloom.model.domain.devices.memballoon import BalloonStats, Memballoon
from virloom.model.domain.devices.memory import MemoryDevice, MemorySource, MemoryTarget
from virloom.model.domain.devices.nvram import NvramDevice
from virloom.model.domain.devices.panic import Panic
from virloom.model.domain.devices.redirdev import Redirdev, Redirfilter, RedirUsbdev
from virloom.model.domain.devices.rng import Rate, Rng, RngBackend
from virloom.model.domain.devices.shmem import Shmem, ShmemModel, ShmemMsi, ShmemServer
from virloom.model.domain.devices.smartcard import Smartcard
from virloom.model.domain.devices.sound import Audio, AudioReference, Codec, Sound
from virloom.model.domain.devices.tpm import PcrBanks, Tpm, TpmBackend, TpmDevice, TpmSource
from virloom.model.domain.devices.video import (
    Acceleration,
    Resolution,
    Video,
    VideoDriver,
    VideoModel,
)
from virloom.model.domain.devices.vsock import Cid, Vsock
from virloom.model.domain.devices.watchdog import Watchdog
from virloom.model.domain.domain import Domain, Genid, MaxMemory, Vcpu
from virloom.model.domain.features import Apic, Features, Ioapic, Msrs, Smm, Switch, Tcg
from virloom.model.domain.os import (
    Bios,
    BootDevice,
    BootMenu,
    Firmware,
    FirmwareFeature,
    Loader,
    Nvram,
    Os,
    OsType,
    Smbios,
)
from virloom.model.domain.pm import Pm, SleepState
from virloom.model.domain.resource import Resource
from virloom.model.domain.seclabel import Seclabel, SourceSeclabel
from virloom.model.domain.unmodelled import unmodelled

__all__ = [
    "Acceleration",
    "Address",
    "Alias",
    "Apic",
    "Audio",
    "AudioReference",
    "BackingFormat",
    "BackingStore",
    "BalloonStats",
    "Bios",
    "BlockIo",
    "Boot",
    "BootDevice",
    "BootMenu",
    "Channel",
    "ChannelTarget",
    "Chardev",
    "ChardevSource",
    "Cid",
    "Clock",
    "Codec",
    "Console",
    "ConsoleTarget",
    "Controller",
    "ControllerDriver",
    "ControllerMaster",
    "ControllerModel",
    "ControllerTarget",
    "Cpu",
    "CpuCache",
    "CpuFeature",
    "CpuModel",
    "Device",
    "Devices",
    "Disk",
    "DiskDriver",
    "DiskSource",
    "DiskTarget",
    "Domain",
    "DomainElement",
    "Features",
    "Firmware",
    "FirmwareFeature",
    "Genid",
    "Geometry",
    "Graphics",
    "GraphicsAudio",
    "Hostdev",
    "HostdevHost",
    "HostdevSource",
    "Hub",
    "Input",
    "InputSource",
    "Interface",
    "InterfaceBackend",
    "InterfaceDriver",
    "InterfaceIp",
    "InterfaceModel",
    "InterfaceSource",
    "InterfaceTarget",
    "Ioapic",
    "Iommu",
    "IommuDriver",
    "Lease",
    "LeaseTarget",
    "Link",
    "Listen",
    "Loader",
    "Log",
    "Mac",
    "MaxMemory",
    "MaxPhysAddr",
    "Memballoon",
    "MemoryDevice",
    "MemorySource",
    "MemoryTarget",
    "Msrs",
    "Mtu",
    "Nvram",
    "NvramDevice",
    "Os",
    "OsType",
    "Panic",
    "Parallel",
    "ParallelTarget",
    "PcrBanks",
    "Pm",
    "Protocol",
    "Rate",
    "RedirUsbdev",
    "Redirdev",
    "Redirfilter",
    "Resolution",
    "Resource",
    "Rng",
    "RngBackend",
    "Rom",
    "Seclabel",
    "Serial",
    "SerialTarget",
    "Shmem",
    "ShmemModel",
    "ShmemMsi",
    "ShmemServer",
    "SleepState",
    "Smartcard",
    "Smbios",
    "Smm",
    "Sound",
    "SourceAddress",
    "SourceSeclabel",
    "Switch",
    "TargetModel",
    "Tcg",
    "Teaming",
    "Timer",
    "Topology",
    "Tpm",
    "TpmBackend",
    "TpmDevice",
    "TpmSource",
    "Vcpu",
    "Video",
    "VideoDriver",
    "VideoModel",
    "VirtioOptions",
    "Vsock",
    "Watchdog",
    "unmodelled",
]
