# SPDX-License-Identifier: Apache-2.0
"""Records to and from XDR (RFC 4506), as libvirt's daemons and clients do it.

A codec is compiled per record class from its ``WIRE`` on first use, encoder and decoder apart:
one end of a connection needs only half of them. What is forgiven on decoding is what libvirtd
forgives: bytes after the last field, padding that is not zero, optionals other than 0 and 1,
strings that are not UTF-8 (kept by ``surrogateescape``) and strings with a NUL (cut there).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

R = TypeVar("R")


class XdrError(ValueError):
    """A record cannot be encoded, or bytes are not such a record; names record and field."""


class Codec(Generic[R]):
    """Encodes and decodes one record class; get it from :func:`codec_for`.

    ``encode(record) -> bytes`` raises :class:`XdrError` for a value that its field cannot carry.

    ``decode(data, offset=0) -> record`` raises :class:`XdrError`, and nothing else, for bytes
    that end early or break a limit. What it allocates is bounded by the length of *data*.
    """

    __slots__ = ("decode", "encode", "record")

    encode: Callable[[R], bytes]
    decode: Callable[..., R]

    def __init__(self, record: type[R]) -> None:
        self.record = record
        self.encode = self._first_encode
        self.decode = self._first_decode

    def _first_encode(self, record: R) -> bytes:
        from virloom.rpc.compiler import compile_encoder

        self.encode = compile_encoder(self.record)
        return self.encode(record)

    def _first_decode(self, data: bytes | memoryview, offset: int = 0) -> R:
        from virloom.rpc.compiler import compile_decoder

        self.decode = compile_decoder(self.record)
        return self.decode(data, offset)


class _Codecs(dict[type[Any], Codec[Any]]):
    """The codecs that were asked for; looked up twice for each call."""

    def __missing__(self, record: type[Any]) -> Codec[Any]:
        codec = self[record] = Codec(record)
        return codec


_codecs = _Codecs()

if TYPE_CHECKING:

    def codec_for(record: type[R]) -> Codec[R]:
        """The codec of a record class: any class with ``WIRE`` as the generated records have it."""
        return _codecs[record]

else:
    codec_for = _codecs.__getitem__  # without a call of Python's
