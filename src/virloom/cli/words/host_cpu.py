# SPDX-License-Identifier: Apache-2.0
"""Processor models: which there are, and how they compare."""

from __future__ import annotations

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.nodes import below, parsed_file
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.enums.host import ConnectBaselineCPUFlags, ConnectCompareCPUFlags, CPUCompareResult
from virloom.xml import Node


@command("cpu-models")
async def cpu_models(session: Session, arguments: Arguments) -> None:
    """Print the names of the processor models of an architecture."""
    connection = await session.connection()
    with failing("failed to get CPU model names"):
        names = await connection.cpu_model_names(arguments.text("arch"))
    if not names:
        session.output.text("all CPU models are accepted")
    else:
        session.output.column("model", names)


def _processors(path: str) -> list[str]:
    """The processors in a file: alone, of domains, of hosts, or of what domains can have."""
    root = parsed_file(read_document(path), path)
    found = [node.dump() for place in _PLACES for node in below(root, place)]
    for mode in below(root, "domainCapabilities/cpu/mode"):
        if mode.attributes.get("name") == "host-model" and mode.elements():
            found.append(Node("cpu", {}, mode.copy().children).dump())
    if not found:
        raise CommandFailed(
            f"File '{path}' does not contain any <cpu> element or valid domain XML,"
            " host capabilities XML, or domain capabilities XML"
        )
    return found


_PLACES = ("cpu", "domain/cpu", "domainsnapshot/domain/cpu", "capabilities/host/cpu")

_COMPARED = {
    CPUCompareResult.INCOMPATIBLE: "incompatible with {}",
    CPUCompareResult.IDENTICAL: "identical to {}",
    CPUCompareResult.SUPERSET: "a superset of {}",
}


def _compare_flags(arguments: Arguments) -> int:
    return arguments.flags(
        {
            "error": ConnectCompareCPUFlags.FAIL_INCOMPATIBLE,
            "validate": ConnectCompareCPUFlags.VALIDATE_XML,
        }
    )


def _baseline_flags(arguments: Arguments) -> int:
    return arguments.flags(
        {
            "features": ConnectBaselineCPUFlags.EXPAND_FEATURES,
            "migratable": ConnectBaselineCPUFlags.MIGRATABLE,
        }
    )


def _print_comparison(session: Session, path: str, result: int, with_what: str) -> None:
    told = _COMPARED.get(CPUCompareResult(result))
    if told is None:
        raise CommandFailed(f"Failed to compare {with_what} with {path}")
    session.output.text(f"CPU described in {path} is {told.format(with_what)}")
    if result == CPUCompareResult.INCOMPATIBLE:
        raise CommandFailed("")


@command("cpu-compare")
async def cpu_compare(session: Session, arguments: Arguments) -> None:
    """Tell how the processor in a file compares with the host's."""
    path = arguments.text("file")
    processor = _processors(path)[0]
    connection = await session.connection()
    with failing(f"Failed to compare host CPU with {path}"):
        result = await connection.compare_cpu(processor, _compare_flags(arguments))
    _print_comparison(session, path, result, "host CPU")


@command("cpu-baseline")
async def cpu_baseline(session: Session, arguments: Arguments) -> None:
    """Print the processor that all those in a file can be."""
    processors = _processors(arguments.text("file"))
    connection = await session.connection()
    session.output.raw(await connection.baseline_cpu(processors, _baseline_flags(arguments)))


@command("hypervisor-cpu-compare")
async def hypervisor_cpu_compare(session: Session, arguments: Arguments) -> None:
    """Tell how the processor in a file compares with the one that the hypervisor offers."""
    path = arguments.text("file")
    processor = _processors(path)[0]
    connection = await session.connection()
    with failing(f"Failed to compare hypervisor CPU with {path}"):
        result = await connection.compare_hypervisor_cpu(
            processor,
            arguments.get("emulator"),
            arguments.get("arch"),
            arguments.get("machine"),
            arguments.get("virttype"),
            _compare_flags(arguments),
        )
    _print_comparison(session, path, result, "the CPU provided by hypervisor on the host")


@command("hypervisor-cpu-baseline")
async def hypervisor_cpu_baseline(session: Session, arguments: Arguments) -> None:
    """Print the processor that all those in a file can be on this hypervisor."""
    arguments.exclusive("file", "model")
    path, model = arguments.get("file"), arguments.get("model")
    if path is not None:
        processors = _processors(path)
    elif model is not None:
        processors = [Node("cpu", {}, [Node("model", {}, [model])]).dump()]
    else:
        raise CommandFailed("Either --file or --model must be provided")
    connection = await session.connection()
    session.output.raw(
        await connection.baseline_hypervisor_cpu(
            processors,
            arguments.get("emulator"),
            arguments.get("arch"),
            arguments.get("machine"),
            arguments.get("virttype"),
            _baseline_flags(arguments),
        )
    )
