# SPDX-License-Identifier: Apache-2.0
"""The programs that are measured: each reads requests and answers with seconds, a line each.

They import nothing of :mod:`tools` but :mod:`tools.bench.sides.line`, for some run under Debian's
own interpreter, which has the libvirt binding and not our dependencies.
"""
