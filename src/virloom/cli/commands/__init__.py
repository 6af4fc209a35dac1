# SPDX-License-Identifier: Apache-2.0
"""One module per command: ``configure`` declares its options, ``execute`` does it.

``execute`` returns the exit code, and raises :class:`~virloom.errors.VirloomError` where something
fails; :mod:`virloom.cli.main` says that in one line.
"""
