"""Trusted networks, and the client of a request that came through proxies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.service.config import ConfigError
from gateway.service.networks import find_client, read_networks

TRUSTED = read_networks("listen.trusted_proxies", ["10.0.0.0/8", "fd00::/8", "192.0.2.1"])


def test_an_address_is_in_a_network_in_each_of_its_spellings() -> None:
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "FD00:0::1", "192.0.2.1"):
        assert address in TRUSTED, address
    for address in ("11.0.0.1", "192.0.2.2", "fe80::1", "", "10.1.2.3.4", "10.0.0.0/8", "localhost"):
        assert address not in TRUSTED, address


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "anywhere", "10.0.0"])
def test_a_text_that_is_not_a_network_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"listen\.x: .* is not a network") as raised:
        read_networks("listen.x", ["10.0.0.0/8", text])
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.7", [], "198.51.100.7"),
        ("198.51.100.7", ["203.0.113.9"], "198.51.100.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:DB8:0::1"], "2001:db8::1"),
        ("10.0.0.1", ["6.6.6.6, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_not_trusted(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert find_client(peer, forwarded, TRUSTED) == client


@given(st.lists(st.text(max_size=60)))
def test_what_an_untrusted_client_puts_on_the_left_never_changes_its_address(claimed: list[str]) -> None:
    joined = ", ".join([*claimed, "203.0.113.9"])
    assert find_client("10.0.0.1", [joined], TRUSTED) == "203.0.113.9"
    assert find_client("198.51.100.7", claimed, TRUSTED) == "198.51.100.7"
