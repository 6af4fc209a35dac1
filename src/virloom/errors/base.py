# SPDX-License-Identifier: Apache-2.0
"""The root of all errors."""

from __future__ import annotations

from typing import ClassVar, Self

from virloom.enums.error import ErrorDomain, ErrorLevel


class VirloomError(Exception):
    """An error with what libvirt's ``virError`` carries, and a remedy where there is one.

    A class stands for one code; ``detail`` says what was being done to which object, and what
    was found. ``message`` is what clients show: the code's own words and the detail.

    Args:
        detail: The specific part of the message; may be empty.
        domain: Which part of the system speaks (libvirt's ``virErrorDomain``).
        remedy: What the reader can do about it; appended to the message.
        int1: errno for :class:`~virloom.errors.SystemFailure`, -1 otherwise (as libvirtd sends it).
        int2: A second number, -1 where unused.
    """

    code: ClassVar[int] = 0
    alone: ClassVar[str] = ""
    with_detail: ClassVar[str] = "{}"

    #: What a peer sent as parts of a message that is not made of the code's own words.
    strings: tuple[str | None, str | None, str | None] | None = None

    def __init__(
        self,
        detail: str = "",
        *,
        domain: ErrorDomain = ErrorDomain.NONE,
        remedy: str | None = None,
        int1: int = -1,
        int2: int = -1,
    ) -> None:
        self.detail = f"{detail} ({remedy})" if remedy else detail
        self.domain = domain
        self.remedy = remedy
        self.level = ErrorLevel.ERROR
        self.int1 = int1
        self.int2 = int2
        super().__init__(self.message)

    @classmethod
    def worded(cls, message: str, *, domain: ErrorDomain = ErrorDomain.NONE) -> Self:
        """An error whose whole message is *message*, without the code's own words.

        libvirt has such ones for flags and arguments that make no sense.
        """
        error = cls(message, domain=domain)
        error.__dict__["with_detail"] = "{}"
        error.args = (message,)
        return error

    @property
    def message(self) -> str:
        """The whole message, as it goes over the wire."""
        return self.with_detail.format(self.detail) if self.detail else self.alone


class UnknownError(VirloomError):
    """An error whose code a newer peer sent and our tables do not hold.

    ``code`` is set on the instance.
    """

    def __init__(self, detail: str, code: int, *, domain: ErrorDomain = ErrorDomain.NONE) -> None:
        super().__init__(detail, domain=domain)
        self.wire_code = code
