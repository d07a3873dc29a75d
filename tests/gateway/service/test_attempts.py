from gateway.service.attempts import REMEMBERED, WINDOW_S, Attempts


def test_an_address_with_too_many_failed_handshakes_is_refused_until_the_end_of_the_minute() -> None:
    attempts = Attempts(per_address=100, per_name=3)
    for second in range(3):
        assert attempts.wait_of_name("a", "CP", second) == 0
        attempts.record_failure("a", "CP", second)
    assert attempts.wait_of_name("a", "CP", 3) == WINDOW_S - 3 + 1
    assert attempts.wait_of_name("a", "CP", WINDOW_S) == 0


def test_failed_handshakes_of_one_address_and_charge_point_do_not_block_others() -> None:
    attempts = Attempts(per_address=100, per_name=1)
    attempts.record_failure("attacker", "CP", 0)
    assert attempts.wait_of_name("attacker", "CP", 1) > 0
    assert attempts.wait_of_name("owner", "CP", 1) == 0
    assert attempts.wait_of_name("attacker", "CP 2", 1) == 0


def test_the_failed_handshakes_of_an_address_are_counted_for_all_charge_point_ids_together() -> None:
    attempts = Attempts(per_address=5, per_name=100)
    for number in range(5):
        attempts.record_failure("a", f"CP {number}", 0)
    assert attempts.wait_of_address("a", 1) > 0


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
    assert len(attempts._counts) <= REMEMBERED
