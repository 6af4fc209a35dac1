# SPDX-License-Identifier: Apache-2.0
"""Reads a document into element objects: bounded, without DTD and entities, errors with paths."""

from __future__ import annotations

# xml.parsers.expat is this module behind two packages, for 3 ms of import.
import pyexpat as expat
from typing import TYPE_CHECKING, Any, TypeVar

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, VirloomError, XmlDetail, XmlError, XmlInvalidSchema
from virloom.xml.element import Element
from virloom.xml.fields import Field, Once, Role
from virloom.xml.kinds import STRING
from virloom.xml.limits import Limits
from virloom.xml.node import Markup, Node, declare_prefixes, is_text, keep_one_per_namespace

if TYPE_CHECKING:
    from virloom.xml.kinds import Kind

E = TypeVar("E", bound=Element)

_DEFAULT_LIMITS = Limits()
# How many left-out names a warning lists.
_MOST_NAMED = 32
_REPEATED = (Role.CHILDREN, Role.LEAVES, Role.VERBATIM, Role.MIXTURE)


def parse_document(
    cls: type[E], text: str | bytes, *, limits: Limits | None = None, validate: bool = False
) -> E:
    """The element tree of a document.

    Nothing is filled in and nothing is checked beyond single values. Of a child that may be
    there once, the first counts, as in libvirt. What only a running guest shows counts as not
    given where it does not convert. Names that only the schema knows are kept in
    ``extra``; names that nobody knows are dropped with one logged warning.

    Args:
        cls: The class of the document's root.
        text: The document; bytes are UTF-8.
        limits: What the document may ask for; libvirt's string size and wide bounds by default.
        validate: Unknown names are an error.

    Raises:
        XmlDetail: The text is not well-formed XML.
        XmlError: A DTD, an excess over the limits, another root, or a value that does not convert
            (some kinds of values raise ConfigUnsupported or others instead, as libvirt does).
        XmlInvalidSchema: An unknown name, with ``validate``.
    """
    reader = _Reader(cls, limits or _DEFAULT_LIMITS, validate)
    reader.read(text)
    reader.report()
    root = reader.root
    assert isinstance(root, cls)
    root.complete()
    return root


def parse_node(text: str | bytes, *, limits: Limits | None = None) -> Node:
    """The tree of a document of any kind, word for word, within the same bounds.

    Raises:
        XmlDetail: The text is not well-formed XML.
        XmlError: A DTD, or an excess over the limits.
    """
    reader = _Reader(_Anything, limits or _DEFAULT_LIMITS, False)
    reader.read(text)
    assert reader.node is not None
    return reader.node


class _Anything(Element):
    """The class of a root that may have any name."""


# What the reader is inside of.
_OUTSIDE, _ELEMENT, _LEAF, _FLAG, _NODE, _SKIP = range(6)


class _Reader:
    """The state of one parse: a stack of open elements and the text since the last opening."""

    def __init__(self, cls: type[Element], limits: Limits, validate: bool) -> None:
        self.cls = cls
        self.limits = limits
        self.validate = validate
        self.root: Element | None = None
        self.node: Node | None = None
        self.count = 0
        self.dropped: list[str] = []
        self.prefixes: dict[str, str] = {}
        # Prefixes that the document has for name spaces whose fields are declared with another.
        self.renamed: dict[str, str] = {}
        # How deep we are inside elements whose name space is declared without a prefix.
        self.unprefixed: list[tuple[int, str]] = []
        self.pieces: list[str] = []
        # (state, tag, element or node, field, unit)
        self.stack: list[tuple[int, str, Any, Any, str | None]] = [(_OUTSIDE, "", None, None, None)]
        self.parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.pieces.append
        parser.StartDoctypeDeclHandler = self.doctype
        parser.CommentHandler = self.comment
        parser.ProcessingInstructionHandler = self.instruction
        parser.StartCdataSectionHandler = self.start_cdata
        parser.EndCdataSectionHandler = self.end_cdata

    def read(self, text: str | bytes) -> None:
        """Reads the whole document."""
        what = f"({self.cls.tag or 'element'} document)"
        try:
            data = text.encode() if isinstance(text, str) else text
            if isinstance(text, bytes):
                # Else a mark of UTF-16 at the front would win over what the parser was told.
                text.decode()
        except UnicodeError as error:
            raise XmlDetail(f"{what}: not UTF-8: {error}", domain=self.cls.error_domain) from None
        if len(data) > self.limits.size:
            raise XmlError(f"{what}: {len(data)} bytes, at most {self.limits.size} are read")
        try:
            self.parser.Parse(data, True)
        except expat.ExpatError as error:
            raise XmlDetail(
                f"{what}:{error.lineno}: {expat.ErrorString(error.code)} "
                f"at column {error.offset + 1}",
                domain=self.cls.error_domain,
            ) from None
        finally:
            # Bound methods in the parser and the parser in their object: without this a cycle.
            self.close()

    def close(self) -> None:
        """Breaks the cycle between parser and reader."""
        parser = self.parser
        parser.StartElementHandler = parser.EndElementHandler = None
        parser.CharacterDataHandler = parser.StartDoctypeDeclHandler = None
        parser.CommentHandler = parser.ProcessingInstructionHandler = None
        parser.StartCdataSectionHandler = parser.EndCdataSectionHandler = None

    # Handlers

    def doctype(self, name: str, *rest: object) -> None:
        """No document of ours has a DTD; entities live only there."""
        raise XmlError(
            f"document type declaration <!DOCTYPE {name[:64]}> "
            f"on line {self.parser.CurrentLineNumber}: refused"
        )

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element opens."""
        stack = self.stack
        limits = self.limits
        self.count += 1
        if self.count > limits.elements or len(stack) > limits.depth:
            raise self._excess(tag)
        if attributes:
            self._check_attributes(tag, attributes)
        state, _, element, _, _ = stack[-1]
        if state == _ELEMENT:
            if self.unprefixed or ":" in tag or "xmlns" in attributes:
                tag = self._declared_name(tag, attributes)
            field = element._children.get(tag)
            if field is not None:
                self._open(element, field, tag, attributes)
            else:
                self._unknown_element(element, tag, attributes)
        elif state == _NODE:
            self._flush(element)
            node = Node(tag, attributes)
            element.children.append(node)
            stack.append((_NODE, tag, node, None, None))
        elif state == _OUTSIDE:
            self._open_root(tag, attributes)
        else:
            stack.append((_SKIP, tag, None, None, None))
            if state != _SKIP:
                self._unknown_below(tag)

    def end(self, tag: str) -> None:
        """An element closes."""
        state, _, element, field, unit = self.stack[-1]
        if state == _ELEMENT:
            content = element._content
            if content is not None:
                text = "".join(self.pieces)
                if element._child_order and self._has_children(element):
                    # Blanks that lay out the children are not part of the text.
                    text = text.strip()
                if text:
                    element.__dict__[content.python] = self._value(
                        content.kind, text, element.__dict__.pop("_unit", None)
                    )
                self.pieces.clear()  # it is not text of the element around it
        elif state == _LEAF:
            self._close_leaf(element, field, "".join(self.pieces), unit)
            # It is not text of the element around it.
            self.pieces.clear()
        elif state == _NODE:
            self._flush(element, closing=True)
            if field is not None and field.role is Role.RAW:
                self._own(element)
        self.stack.pop()

    def comment(self, data: str) -> None:
        """A comment; only what is kept word for word keeps it."""
        self._markup(f"<!--{data}-->")

    def instruction(self, target: str, data: str) -> None:
        """A processing instruction; as a comment."""
        self._markup(f"<?{target} {data}?>" if data else f"<?{target}?>")

    def _markup(self, text: str) -> None:
        self._count(text)
        state, _, node, _, _ = self.stack[-1]
        if state == _NODE:
            self._flush(node)
            node.children.append(Markup(text))

    def start_cdata(self) -> None:
        """Character data follows that is to be written as such again."""
        self._count("<![CDATA[")
        state, _, node, _, _ = self.stack[-1]
        if state == _NODE:
            self._flush(node)

    def _count(self, what: str) -> None:
        self.count += 1
        if self.count > self.limits.elements:
            raise self._excess(what[1:])

    def end_cdata(self) -> None:
        """It ends; elsewhere than in kept elements it is text like any other."""
        state, _, node, _, _ = self.stack[-1]
        if state == _NODE:
            self._check_text(node_text := "".join(self.pieces))
            self.pieces.clear()
            node.children.append(Markup(f"<![CDATA[{node_text}]]>"))

    @staticmethod
    def _has_children(element: Element) -> bool:
        values = element.__dict__
        return "_extra" in values or any(f.python in values for f in element._child_order)

    # Opening

    def _declared_name(self, tag: str, attributes: dict[str, str]) -> str:
        """The tag by which an element of another name space is declared."""
        spaces = self.cls.namespaces
        while self.unprefixed and self.unprefixed[-1][0] >= len(self.stack):
            self.unprefixed.pop()
        prefix, colon, name = tag.partition(":")
        if colon:
            self._note_prefixes(attributes)
            known = self.renamed.get(prefix)
            return f"{known}:{name}" if known is not None else tag
        space = attributes.get("xmlns")
        if space is not None:
            self.unprefixed.append((len(self.stack), spaces.get(space, "")))
        outer = self.unprefixed[-1][1] if self.unprefixed else ""
        return f"{outer}:{tag}" if outer else tag

    def _note_prefixes(self, attributes: dict[str, str]) -> None:
        spaces = self.cls.namespaces
        for name, uri in attributes.items():
            if name.startswith("xmlns:") and (uri in spaces or name[6:] in spaces.values()):
                self.renamed[name[6:]] = spaces.get(uri, uri)  # or one of ours for another space

    def _open_root(self, tag: str, attributes: dict[str, str]) -> None:
        if self.cls is _Anything:
            self.node = Node(tag, attributes)
            self.stack.append((_NODE, tag, self.node, None, None))
            return
        if tag != self.cls.tag:
            raise XmlError(
                f"expecting root element of '{self.cls.tag}', not '{tag[:64]}'",
                domain=ErrorDomain.XML,
            )
        self.root = element = self.cls.__new__(self.cls)
        self.stack.append((_ELEMENT, tag, element, None, None))
        self._note_prefixes(attributes)
        self._fill(element, attributes)

    def _open(self, parent: Element, field: Field, tag: str, attributes: dict[str, str]) -> None:
        role = field.role
        values = parent.__dict__
        stack = self.stack
        name = field.python
        if role is Role.CHILDREN:
            cls = field.cls
            assert cls is not None
            element = cls.__new__(cls)
            getattr(parent, name).append(element)
        elif role is Role.LEAVES:
            self.pieces.clear()
            stack.append((_LEAF, tag, parent, field, None))
            return
        elif role is Role.VERBATIM:
            self.pieces.clear()
            node = Node(tag, attributes)
            getattr(parent, name).append(node)
            stack.append((_NODE, tag, node, field, None))
            return
        elif role is Role.MIXTURE:
            element = (member := field.members[tag]).__new__(member)
            getattr(parent, name).append(element)
        elif name in values:
            if field.once is not None:
                raise self._repeated(field.once, tag)
            # The first counts, as in an XPath string() or virXMLNodeGetSubelement.
            stack.append((_SKIP, tag, None, None, None))
            return
        elif role is Role.LEAF:
            self.pieces.clear()
            stack.append((_LEAF, tag, parent, field, attributes.pop("unit", None)))
            if attributes:
                self._beside(parent, field, attributes)
            return
        elif role is Role.FLAG:
            values[name] = True
            stack.append((_FLAG, tag, parent, field, None))
            for unknown in attributes:
                self._unknown_attribute(None, unknown, attributes[unknown])
            return
        elif role is Role.RAW:
            self.pieces.clear()
            values[name] = node = Node(tag, attributes)
            stack.append((_NODE, tag, node, field, None))
            return
        else:
            cls = field.cls
            assert cls is not None
            element = values[name] = cls.__new__(cls)
        stack.append((_ELEMENT, tag, element, field, None))
        if element._content is not None:
            self.pieces.clear()
        for required in element._required:
            if required not in attributes:
                raise XmlError(self._located("missing", required), domain=ErrorDomain.XML)
        if attributes:
            self._fill(element, attributes)

    def _fill(self, element: Element, attributes: dict[str, str]) -> None:
        if element._takes:
            try:
                attributes = element.take_attributes(attributes)
            except ValueError as error:
                name, expected, *domain = error.args
                mismatch = self._mismatch(attributes[name], expected, STRING, name)
                mismatch.domain = domain[0] if domain else mismatch.domain
                raise mismatch from None
        known = element._attributes
        values = element.__dict__
        for name, text in attributes.items():
            field = known.get(name)
            if field is None:
                if name == "unit" and element._content is not None:
                    values["_unit"] = text
                else:
                    self._unknown_attribute(element, name, text)
            elif field.parse is None:
                values[field.python] = text
            else:
                try:
                    values[field.python] = field.parse(text)
                except ValueError as error:
                    if not self._is_live(field):
                        raise self._mismatch(text, str(error), field.kind, name) from None
                except VirloomError as error:
                    if not self._is_live(field):
                        raise self._placed(error, name) from None

    def _beside(self, parent: Element, field: Field, attributes: dict[str, str]) -> None:
        for name, text in attributes.items():
            target = (field.beside or {}).get(name)
            if target is None:
                self._unknown_attribute(None, name, text)
            else:
                parent.__dict__[target[0]] = self._value(target[1], text, None, name)

    # Values

    def _close_leaf(self, parent: Element, field: Field, text: str, unit: str | None) -> None:
        if not text and not field.kind.filled:
            # string() of an empty element is the empty string, which libvirt takes for absent.
            return
        value = self._value(field.kind, text, unit)
        if field.role is Role.LEAVES:
            getattr(parent, field.python).append(value)
        else:
            parent.__dict__[field.python] = value

    def _value(self, kind: Kind[Any], text: str, unit: str | None, attribute: str = "") -> Any:
        self._check_text(text)
        try:
            if kind.scaled is not None:
                return kind.scaled(text, unit)
            return text if kind.parse is None else kind.parse(text)
        except ValueError as error:
            if not self._is_live(None):
                raise self._mismatch(text, str(error), kind, attribute) from None
        except VirloomError as error:
            if not self._is_live(None):
                raise self._placed(error, attribute) from None
        return None

    def _flush(self, node: Node, *, closing: bool = False) -> None:
        """Appends the text read so far; without blanks that only lay elements out.

        Which blanks those are is libxml2's rule for ``xmlKeepBlanksDefault(0)``, so that
        metadata comes out as libvirt gives it.
        """
        text = "".join(self.pieces)
        self.pieces.clear()
        if not text:
            return
        children = node.children
        if text.isspace() and not (
            is_text(children[-1]) or is_text(children[0]) if children else closing
        ):
            return
        self._check_text(text)
        children.append(text)

    def _own(self, node: Node) -> None:
        """Makes kept elements of others independent of the document around them."""
        declare_prefixes(node, self.prefixes)
        for lost in keep_one_per_namespace(node)[:_MOST_NAMED]:
            self.dropped.append(self._located(f"{lost} without a name space of its own"))

    def _check_text(self, text: str) -> None:
        if len(text) > self.limits.text:
            raise XmlError(self._located(f"text longer than {self.limits.text} characters"))

    # Names that are not declared

    def _unknown_element(self, element: Element, tag: str, attributes: dict[str, str]) -> None:
        if element.closed:
            path = f"{self._path()}/{tag[:64]}"
            raise ConfigUnsupported(f"{path}: {element.closed}", domain=self.cls.error_domain)
        schema = self.cls.schema()
        path = f"{self._schema_path()}/{tag}"
        if schema is not None and schema.knows_element(path):
            if schema.passes_over(path):
                self.stack.append((_SKIP, tag, None, None, None))
                return
            self.pieces.clear()
            node = Node(tag, attributes)
            element.extra.children.append(node)
            self.stack.append((_NODE, tag, node, None, None))
            return
        self.stack.append((_SKIP, tag, None, None, None))
        self._drop("element")

    def _unknown_below(self, tag: str) -> None:
        """An element inside one that is text or a mark."""
        self._drop("element")

    def _unknown_attribute(self, element: Element | None, name: str, text: str) -> None:
        if name == "xmlns" or name.startswith("xmlns:"):
            # For <metadata>, which takes along what it uses.
            self.prefixes.setdefault(name, text)
            return
        schema = self.cls.schema()
        if schema is None or not schema.knows_attribute(self._schema_path(), name):
            self._drop("attribute", name)
        elif element is not None and not schema.passes_over(f"{self._schema_path()}/@{name}"):
            element.extra.attributes[name] = text

    def _drop(self, what: str, attribute: str = "") -> None:
        if self.validate:
            raise XmlInvalidSchema(
                self._located(f"unknown {what}", attribute), domain=ErrorDomain.XML
            )
        if len(self.dropped) < _MOST_NAMED:
            self.dropped.append(self._located(f"unknown {what}", attribute))

    def report(self) -> None:
        """One warning that names what was dropped."""
        if self.dropped:
            import logging

            logging.getLogger(__name__).warning(
                "left out of <%s>, nobody knows it: %s", self.cls.tag, "; ".join(self.dropped)
            )

    # Places and errors

    def _schema_path(self) -> str:
        return "/".join([self.cls.schema_path, *[entry[1] for entry in self.stack[2:]]])

    def _path(self, attribute: str = "") -> str:
        """``domain/devices/disk[2]/target/@dev``; numbers only where several may stand."""
        parts: list[str] = []
        parent: Any = None
        for state, tag, element, field, _ in self.stack[1:]:
            if field is not None and field.role in _REPEATED:
                owner = element if state == _LEAF else parent
                number = len(getattr(owner, field.python)) + (state == _LEAF)
                parts.append(f"{tag}[{number}]")
            else:
                # A message goes over the wire: names of the document must not make it long.
                parts.append(tag[:64])
            parent = element
        return "/".join(parts[-32:]) + (f"/@{attribute[:64]}" if attribute else "")

    def _located(self, what: str, attribute: str = "") -> str:
        return f"{self._path(attribute)}: {what} (line {self.parser.CurrentLineNumber})"

    def _is_live(self, field: Field | None) -> bool:
        """Whether it is, or is below, what only a running guest shows.

        libvirt does not read that of a definition; whoever has it validated looks at everything.
        """
        if self.validate:
            return False
        outer = any(inside is not None and inside.live for _, _, _, inside, _ in self.stack)
        return outer or (field is not None and field.live)

    def _mismatch(
        self, text: str, expected: str, kind: Kind[Any], attribute: str = ""
    ) -> VirloomError:
        domain = self.cls.error_domain if kind.owned else ErrorDomain.XML
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        return kind.error(self._located(f"'{shown}' is not {expected}", attribute), domain=domain)

    def _placed(self, error: VirloomError, attribute: str) -> VirloomError:
        return type(error)(self._located(error.detail, attribute), domain=error.domain)

    def _repeated(self, once: Once, tag: str) -> VirloomError:
        return once.error(self._located(f"there is a second <{tag}>", ""), domain=once.domain)

    def _excess(self, tag: str) -> VirloomError:
        limits = self.limits
        if self.count > limits.elements:
            what = f"more than {limits.elements} elements"
        else:
            what = f"more than {limits.depth} nested elements"
        return XmlError(f"<{tag[:64]}> on line {self.parser.CurrentLineNumber}: {what}")

    def _check_attributes(self, tag: str, attributes: dict[str, str]) -> None:
        limits = self.limits
        if len(attributes) > limits.attributes:
            what = f"{len(attributes)} attributes, at most {limits.attributes} are read"
        elif max(map(len, attributes.values())) > limits.text:
            what = f"an attribute longer than {limits.text} characters"
        else:
            return
        raise XmlError(f"<{tag[:64]}> on line {self.parser.CurrentLineNumber}: {what}")
