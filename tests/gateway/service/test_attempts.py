"""Failures of one client lock out that client alone, and the buckets of failures have a bound."""

import pytest

from gateway.service.attempts import REMEMBERED, REMEMBERED_OF_ADDRESS, WINDOW_S, Attempts


def test_a_name_that_failed_too_often_from_an_address_waits_until_its_bucket_has_room_for_one_failure() -> (
    None
):
    attempts = Attempts(per_address=100, per_name=3)
    for _ in range(3):
        assert attempts.wait_of_name("a", "CP", 0) == 0
        attempts.record_failure("a", "CP", 0)
    assert attempts.wait_of_name("a", "CP", 0) == WINDOW_S / 3
    assert attempts.wait_of_name("a", "CP", WINDOW_S / 3 - 1) == 1
    assert attempts.wait_of_name("a", "CP", WINDOW_S / 3) == 0
    attempts.record_failure("a", "CP", WINDOW_S / 3)
    assert attempts.wait_of_name("a", "CP", WINDOW_S / 3) == WINDOW_S / 3


@pytest.mark.parametrize("limit", [1, 3, 10])
def test_no_more_failures_fit_into_a_long_time_than_the_limit_of_each_minute_and_one_burst(
    limit: int,
) -> None:
    attempts = Attempts(per_address=1_000_000, per_name=limit)
    failed = 0
    for second in range(10 * int(WINDOW_S)):
        if not attempts.wait_of_name("a", "CP", second):
            attempts.record_failure("a", "CP", second)
            failed += 1
    assert 9 * limit <= failed <= 11 * limit


def test_failed_handshakes_of_one_address_and_charge_point_do_not_block_others() -> None:
    attempts = Attempts(per_address=100, per_name=1)
    attempts.record_failure("attacker", "CP", 0)
    assert attempts.wait_of_name("attacker", "CP", 1) > 0
    assert attempts.wait_of_name("owner", "CP", 1) == 0
    assert attempts.wait_of_name("attacker", "CP 2", 1) == 0


def test_the_failed_handshakes_of_an_address_are_counted_for_all_charge_point_ids_together() -> None:
    attempts = Attempts(per_address=5, per_name=100)
    for number in range(5):
        assert not attempts.is_crowded("a", 1)
        attempts.record_failure("a", f"CP {number}", 0)
    assert attempts.wait_of_address("a", 1) > 0
    assert attempts.is_crowded("a", 1)
    assert not attempts.is_crowded("b", 1)
    assert not attempts.is_crowded("a", WINDOW_S)


def test_failures_from_many_addresses_crowd_every_address_but_lock_nobody_out() -> None:
    attempts = Attempts(per_address=5, per_name=5)
    for number in range(50):
        attempts.record_failure(f"address {number}", "CP", 0)
    assert attempts.is_crowded("another", 0)
    assert attempts.wait_of_name("another", "CP", 0) == 0
    assert not attempts.is_crowded("another", WINDOW_S)


def test_all_addresses_of_one_ipv6_network_count_as_one_address() -> None:
    attempts = Attempts(per_address=100, per_name=2)
    for number in range(2):
        attempts.record_failure(f"2001:db8:1:2::{number + 1:x}", "CP", 0)
    assert attempts.wait_of_name("2001:db8:1:2:ffff::1", "CP", 1) > 0
    assert attempts.wait_of_name("2001:db8:1:3::1", "CP", 1) == 0
    assert attempts.wait_of_name("2001:db8:1:2::1", "CP 2", 1) == 0


def test_an_ipv4_address_is_the_same_peer_on_an_ipv6_socket() -> None:
    attempts = Attempts(per_address=100, per_name=1)
    attempts.record_failure("::ffff:192.0.2.7", "CP", 0)
    assert attempts.wait_of_name("192.0.2.7", "CP", 1) > 0
    assert attempts.wait_of_name("::ffff:192.0.2.8", "CP", 1) == 0


def test_a_peer_without_an_ip_address_is_counted_as_it_is() -> None:
    attempts = Attempts(per_address=100, per_name=1)
    attempts.record_failure("not: an address", "CP", 0)
    assert attempts.wait_of_name("not: an address", "CP", 1) > 0


def test_the_number_of_remembered_addresses_is_bounded() -> None:
    attempts = Attempts(per_address=5, per_name=5)
    for number in range(2 * REMEMBERED):
        attempts.record_failure(f"address {number}", "CP", 0)
    assert sum(1 + len(peer.names) for peer in attempts._peers.values()) <= REMEMBERED


def test_an_address_that_varies_the_name_forgets_only_its_own_names() -> None:
    attempts = Attempts(per_address=5, per_name=1)
    attempts.record_failure("other", "CP", 0)
    for number in range(2 * REMEMBERED):
        attempts.record_failure("a", f"CP {number}", 0)
    assert attempts.wait_of_name("other", "CP", 1) > 0
    assert attempts.wait_of_name("a", f"CP {2 * REMEMBERED - 1}", 1) > 0
    assert attempts.wait_of_name("a", "CP 0", 1) == 0
    assert len(attempts._peers["a"].names) == REMEMBERED_OF_ADDRESS


def test_requests_that_may_still_fail_count_as_failures_of_their_name_until_they_are_verified() -> None:
    attempts = Attempts(per_address=100, per_name=2)
    with attempts.trying("a", "CP"):
        assert attempts.wait_of_name("a", "CP", 0) == 0
        with attempts.trying("a", "CP"):
            assert attempts.wait_of_name("a", "CP", 0) > 0
            assert attempts.wait_of_name("a", "CP 2", 0) == attempts.wait_of_name("b", "CP", 0) == 0
            assert not attempts.is_crowded("a", 0)
        assert attempts.wait_of_name("a", "CP", 0) == 0
    assert not attempts._pending
