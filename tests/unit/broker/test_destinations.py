from __future__ import annotations

from ipaddress import ip_network

import pytest

from broker.destinations import Destinations


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f::1", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"])
def test_what_the_whole_internet_reaches_may_be_called(address: str) -> None:
    assert Destinations().allow(address)
    assert not Destinations(public=False).allow(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "duty.example",
        "",
    ],
)
def test_what_lies_inside_may_not(address: str) -> None:
    assert not Destinations().allow(address)


def test_an_operator_lists_networks_beside_it() -> None:
    inside = Destinations(public=False, networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    assert inside.allow("10.1.2.3")
    assert inside.allow("::ffff:10.1.2.3")
    assert inside.allow("fd00::1")
    assert not inside.allow("10.2.0.1")
    assert not inside.allow("93.184.215.14")
