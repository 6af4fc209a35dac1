# SPDX-License-Identifier: Apache-2.0
"""What the handlers check alike."""

from __future__ import annotations

from functools import partial

from virloom.drivers.runtime import arguments
from virloom.enums.error import ErrorDomain

#: Refuses flags that a function does not know.
check_flags = partial(arguments.check_flags, domain=ErrorDomain.NWFILTER)
