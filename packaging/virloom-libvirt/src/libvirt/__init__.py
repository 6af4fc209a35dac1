# SPDX-License-Identifier: Apache-2.0
"""libvirt's Python binding, over Virloom: the same names, signatures, results and errors.

Put this distribution where ``import libvirt`` finds it, and programs written for libvirt's own
binding use Virloom instead of libvirt's C library.
"""

from __future__ import annotations

from libvirt import _native as _native  # first: it loads the others
from libvirt._classes import *  # noqa: F403 - the classes of the binding
from libvirt._connection import getVersion as getVersion
from libvirt._connection import open as open
from libvirt._connection import openAuth as openAuth
from libvirt._connection import openReadOnly as openReadOnly
from libvirt._connection import virInitialize as virInitialize
from libvirt._constants import *  # noqa: F403 - VIR_*
from libvirt._errors import libvirtError as libvirtError
from libvirt._errors import registerErrorHandler as registerErrorHandler
from libvirt._errors import virGetLastError as virGetLastError
from libvirt._errors import virGetLastErrorCode as virGetLastErrorCode
from libvirt._errors import virGetLastErrorDomain as virGetLastErrorDomain
from libvirt._errors import virGetLastErrorMessage as virGetLastErrorMessage
from libvirt._errors import virResetLastError as virResetLastError
from libvirt._event_loop import _dispatchEventHandleCallback as _dispatchEventHandleCallback
from libvirt._event_loop import _dispatchEventTimeoutCallback as _dispatchEventTimeoutCallback
from libvirt._event_loop import _eventInvokeHandleCallback as _eventInvokeHandleCallback
from libvirt._event_loop import _eventInvokeTimeoutCallback as _eventInvokeTimeoutCallback
from libvirt._event_loop import virEventAddHandle as virEventAddHandle
from libvirt._event_loop import virEventAddTimeout as virEventAddTimeout
from libvirt._event_loop import virEventInvokeFreeCallback as virEventInvokeFreeCallback
from libvirt._event_loop import virEventRegisterDefaultImpl as virEventRegisterDefaultImpl
from libvirt._event_loop import virEventRegisterImpl as virEventRegisterImpl
from libvirt._event_loop import virEventRemoveHandle as virEventRemoveHandle
from libvirt._event_loop import virEventRemoveTimeout as virEventRemoveTimeout
from libvirt._event_loop import virEventRunDefaultImpl as virEventRunDefaultImpl
from libvirt._event_loop import virEventUpdateHandle as virEventUpdateHandle
from libvirt._event_loop import virEventUpdateTimeout as virEventUpdateTimeout

__all__ = [name for name in globals() if name[0] != "_" and name != "annotations"]
