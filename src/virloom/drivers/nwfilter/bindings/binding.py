# SPDX-License-Identifier: Apache-2.0
"""One binding: a port of a guest, its filter, and what is known of its addresses."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.drivers.nwfilter.bindings.record import BindingRecord
from virloom.drivers.nwfilter.learning.learner import Learner
from virloom.drivers.nwfilter.learning.leases import Leases
from virloom.drivers.nwfilter.references import Find, filters_of
from virloom.model.nwfilter import FilterBinding, FilterReference
from virloom.procedures import nwfilter as p


class Binding:
    """A filter at work on a port.

    Attributes:
        model: Its document.
        record: Its status file.
        learner: What finds out its addresses; None while nothing has to.
    """

    def __init__(self, model: FilterBinding, record: BindingRecord, leases: Leases) -> None:
        self.model = model
        self.record = record
        self.learner: Learner | None = None
        self._leases = leases

    @property
    def port(self) -> str:
        """The port's name, by which calls name the binding."""
        return self.record.port

    @property
    def reference(self) -> FilterReference:
        """The filter, with values for its variables."""
        return self.model.filterref

    @property
    def card(self) -> str:
        """The key of its leases: that of the guest's card, whatever its port is called."""
        return f"{self.model.owner.uuid}-{self.model.mac.address}"

    def ref(self) -> p.NonnullNwfilterBinding:
        """What calls name it by."""
        return p.NonnullNwfilterBinding(portdev=self.port, filtername=self.reference.filter or "")

    def addresses(self, mode: str) -> Sequence[str]:
        """What was found out by now."""
        return self._leases.of(self.card) if mode == "dhcp" else self.record.learned

    def uses(self, name: str, find: Find) -> bool:
        """Whether its filter is that one, or takes it in."""
        return name in filters_of(self.reference, find)

    def stop_learning(self) -> None:
        """Nothing is found out any more; a second call does nothing."""
        if self.learner is not None:
            self.learner.close()
            self.learner = None
