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
from virloom.model.domain.devices.memballoon import BalloonStats, Memballoon
from virloom.model.domain.devices.panic import Panic
from virloom.model.domain.devices.rng import Rate, Rng, RngBackend
from virloom.model.domain.devices.sound import Audio, AudioReference, Codec, Sound
from virloom.model.domain.devices.video import (
    Acceleration,
    Resolution,
    Video,
    VideoDriver,
    VideoModel,
)
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
    "Link",
    "Listen",
    "Loader",
    "Log",
    "Mac",
    "MaxMemory",
    "MaxPhysAddr",
    "Memballoon",
    "Msrs",
    "Mtu",
    "Nvram",
    "Os",
    "OsType",
    "Panic",
    "Parallel",
    "ParallelTarget",
    "Pm",
    "Protocol",
    "Rate",
    "Resolution",
    "Resource",
    "Rng",
    "RngBackend",
    "Rom",
    "Seclabel",
    "Serial",
    "SerialTarget",
    "SleepState",
    "Smbios",
    "Smm",
    "Sound",
    "SourceSeclabel",
    "Switch",
    "TargetModel",
    "Tcg",
    "Timer",
    "Topology",
    "Vcpu",
    "Video",
    "VideoDriver",
    "VideoModel",
    "VirtioOptions",
    "Watchdog",
    "unmodelled",
]
