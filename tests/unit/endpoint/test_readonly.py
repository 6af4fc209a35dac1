# SPDX-License-Identifier: Apache-2.0
"""What a read-only connection is refused."""

from __future__ import annotations

import pytest

from virloom.endpoint.readonly import check_readonly
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationDenied
from virloom.procedures import domain as p
from virloom.procedures import storage
from virloom.procedures.types import NonnullDomain

DOM = NonnullDomain("one", b"\0" * 16, 1)


def test_looking_is_allowed() -> None:
    check_readonly(p.DOMAIN_GET_XML_DESC, p.DomainGetXMLDescArgs(DOM, 2))
    check_readonly(p.DOMAIN_INTERFACE_ADDRESSES, p.DomainInterfaceAddressesArgs(DOM, 0, 0))


@pytest.mark.parametrize("flags", [1, 3, 8])
def test_secrets_are_not_shown(flags: int) -> None:
    with pytest.raises(OperationDenied, match="virDomainGetXMLDesc with secure flag"):
        check_readonly(p.DOMAIN_GET_XML_DESC, p.DomainGetXMLDescArgs(DOM, flags))


def test_the_guest_is_not_asked() -> None:
    said = "read only access prevents virDomainGetVcpusFlags"
    with pytest.raises(OperationDenied, match=said):
        check_readonly(p.DOMAIN_GET_VCPUS_FLAGS, p.DomainGetVcpusFlagsArgs(DOM, 8))
    with pytest.raises(OperationDenied, match="prevents virDomainInterfaceAddresses"):
        check_readonly(p.DOMAIN_INTERFACE_ADDRESSES, p.DomainInterfaceAddressesArgs(DOM, 1, 0))


def test_changes_are_refused_in_the_name_of_their_area() -> None:
    with pytest.raises(OperationDenied) as caught:
        check_readonly(p.DOMAIN_CREATE, p.DomainCreateArgs(DOM))
    assert caught.value.domain == ErrorDomain.DOMAIN
    args = storage.StoragePoolCreateArgs(storage.NonnullStoragePool("p", b"\0" * 16))
    with pytest.raises(OperationDenied) as caught:
        check_readonly(storage.STORAGE_POOL_CREATE, args)
    assert caught.value.domain == ErrorDomain.STORAGE
