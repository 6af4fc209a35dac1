# SPDX-License-Identifier: Apache-2.0
"""``<resource>``: where on the host the guest is accounted."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, group, leaf
from virloom.xml.kinds import STRING


class FibreChannel(Element):
    """``<fibrechannel appid='userProvidedID'/>``."""

    appid: str | None = attribute(STRING)


class Resource(Element):
    """``<resource><partition>/machine</partition></resource>``."""

    partition: str | None = leaf(STRING)
    fibrechannel: FibreChannel = group(FibreChannel)
