# SPDX-License-Identifier: Apache-2.0
"""Documents of pools and of their sources, made of options.

Values go in as they are typed, as with virsh: what needs escaping is the typist's affair.
"""

from __future__ import annotations

from collections.abc import Iterator

from virloom.cli.shell.arguments import Arguments

# Option and what it becomes within <source>, in virsh's order.
_PLAIN = {
    "source-host": "<host name='{}'/>",
    "source-path": "<dir path='{}'/>",
    "source-dev": "<device path='{}'/>",
}
_LAST = {
    "source-format": "<format type='{}'/>",
    "source-name": "<name>{}</name>",
    "source-protocol-ver": "<protocol ver='{}'/>",
}


def pool_document(arguments: Arguments) -> tuple[str, str]:
    """The name and the document of the pool that ``pool-define-as`` or ``-create-as`` means."""
    name = arguments.text("name")
    arguments.exclusive("secret-usage", "secret-uuid")
    _read_all(arguments)
    lines = [f"<pool type='{arguments.text('type')}'>", f"  <name>{name}</name>"]
    lines += _source(arguments)
    target = arguments.get("target")
    if target is not None:
        lines += ["  <target>", f"    <path>{target}</path>", "  </target>"]
    return name, "\n".join([*lines, "</pool>"])


_TEXTS = (
    "type source-host source-path source-dev source-name source-format target auth-type "
    "auth-username secret-usage secret-uuid adapter-name adapter-wwnn adapter-wwpn "
    "adapter-parent adapter-parent-wwnn adapter-parent-wwpn adapter-parent-fabric-wwn "
    "source-protocol-ver source-initiator"
)


def _read_all(arguments: Arguments) -> None:
    """Has even those complained of that are empty and not needed."""
    for option in _TEXTS.split():
        arguments.get(option)


def _source(arguments: Arguments) -> list[str]:
    parts = [form.format(arguments.get(o)) for o, form in _PLAIN.items() if o in arguments]
    parts += [*_initiator(arguments), *_adapter(arguments)]
    if not parts and "source-format" not in arguments and "source-name" not in arguments:
        return []
    parts += _authentication(arguments)
    parts += [form.format(arguments.get(o)) for o, form in _LAST.items() if o in arguments]
    return ["  <source>", *(f"    {part}" for part in parts), "  </source>"]


def _adapter(arguments: Arguments) -> Iterator[str]:
    if "adapter-wwnn" in arguments and "adapter-wwpn" in arguments:
        wwn = f"wwnn='{arguments.get('adapter-wwnn')}' wwpn='{arguments.get('adapter-wwpn')}'"
        yield f"<adapter type='fc_host'{_adapter_parent(arguments)} {wwn}/>"
    elif "adapter-name" in arguments:
        yield f"<adapter type='scsi_host' name='{arguments.get('adapter-name')}'/>"


def _adapter_parent(arguments: Arguments) -> str:
    if "adapter-parent" in arguments:
        return f" parent='{arguments.get('adapter-parent')}'"
    wwnn, wwpn = arguments.get("adapter-parent-wwnn"), arguments.get("adapter-parent-wwpn")
    if wwnn is not None and wwpn is not None:
        return f" parent_wwnn='{wwnn}' parent_wwpn='{wwpn}'"
    if "adapter-parent-fabric-wwn" in arguments:
        return f" parent_fabric_wwn='{arguments.get('adapter-parent-fabric-wwn')}'"
    return ""


def _initiator(arguments: Arguments) -> list[str]:
    name = arguments.get("source-initiator")
    if name is None:
        return []
    return ["<initiator>", f"  <iqn name='{name}'/>", "</initiator>"]


def _authentication(arguments: Arguments) -> list[str]:
    type_, user = arguments.get("auth-type"), arguments.get("auth-username")
    secrets = [o for o in ("secret-usage", "secret-uuid") if o in arguments]
    if type_ is None or user is None or not secrets:
        return []
    kind = secrets[0].removeprefix("secret-")
    return [
        f"<auth type='{type_}' username='{user}'>",
        f"  <secret {kind}='{arguments.get(secrets[0])}'/>",
        "</auth>",
    ]


def source_document(arguments: Arguments) -> str | None:
    """The document of ``find-storage-pool-sources-as``, None where no host was given."""
    host = arguments.get("host")
    if host is None:
        return None
    port, initiator = arguments.get("port"), arguments.get("initiator")
    at = "" if port is None else f" port='{port}'"
    lines = ["<source>", f"  <host name='{host}'{at}/>"]
    if initiator is not None:
        lines += ["  <initiator>", f"    <iqn name='{initiator}'/>", "  </initiator>"]
    return "\n".join([*lines, "</source>\n"])
