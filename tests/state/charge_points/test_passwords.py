"""One key matches in the forms that charge points send, and no other password matches."""

import base64
import hmac
import re
import secrets

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from state.charge_points import passwords
from state.charge_points.passwords import KEY_PATTERN, BadKey, digest, find_match, new_key, read_key

PEPPER = b"pepper of the tests"
MEMBER = "acme/CP-1"
KEYS = st.binary(min_size=16, max_size=20)


def test_a_new_key_has_160_random_bits_as_40_hexadecimal_digits() -> None:
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    assert all(re.fullmatch("[0-9a-f]{40}", key) for key in keys)
    assert all(len(read_key(key)) == 20 for key in keys)


@given(KEYS)
def test_a_key_in_hexadecimal_matches_as_bytes_and_as_hexadecimal_text_in_any_case(key: bytes) -> None:
    stored = [digest(PEPPER, MEMBER, key)]
    for sent in (key, key.hex().encode(), key.hex().upper().encode(), key.hex().title().encode()):
        assert find_match(PEPPER, MEMBER, sent, stored) == stored[0]


@given(KEYS, st.binary(max_size=50))
def test_no_other_password_matches(key: bytes, other: bytes) -> None:
    assume(other != key and other.lower() != key.hex().encode())
    assert find_match(PEPPER, MEMBER, other, [digest(PEPPER, MEMBER, key)]) is None


@given(KEYS)
def test_a_key_is_right_for_one_charge_point_and_one_pepper_only(key: bytes) -> None:
    stored = [digest(PEPPER, MEMBER, key)]
    assert find_match(PEPPER, "acme/CP-2", key, stored) is None
    assert find_match(b"another pepper", MEMBER, key, stored) is None


@pytest.mark.parametrize("sent", [b"", b"\0" * 20, b"0" * 40])
def test_nothing_matches_where_nothing_is_stored(sent: bytes) -> None:
    assert find_match(PEPPER, MEMBER, sent, []) is None


def test_the_right_one_of_several_stored_hashes_is_found() -> None:
    keys = [secrets.token_bytes(20) for _ in range(3)]
    stored = [digest(PEPPER, MEMBER, key) for key in keys]
    for key, one in zip(keys, stored, strict=True):
        assert find_match(PEPPER, MEMBER, key, stored) == one


@pytest.mark.parametrize("stored", [0, 1, 5])
@pytest.mark.parametrize("sent", [b"", b"x", b"5f" * 20, b"5f" * 19 + b"zz"], ids=range(4))
def test_the_number_of_hashes_depends_neither_on_the_password_nor_on_the_store(
    sent: bytes, stored: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [digest(PEPPER, MEMBER, secrets.token_bytes(20)) for _ in range(stored)]
    made = []
    real = hmac.digest

    def count(key: bytes, message: bytes, name: str) -> bytes:
        made.append(name)
        return real(key, message, name)

    monkeypatch.setattr(hmac, "digest", count)
    find_match(PEPPER, MEMBER, sent, kept)
    assert made == ["sha256"] * 2


def test_a_plain_text_stands_for_itself() -> None:
    text = "Zq8#kLm2!pXv9Rt4"
    assert read_key(text) == text.encode()
    stored = [digest(PEPPER, MEMBER, read_key(text))]
    assert find_match(PEPPER, MEMBER, text.encode(), stored) == stored[0]
    assert find_match(PEPPER, MEMBER, text.lower().encode(), stored) is None
    # A charge point may also send the hexadecimal digits of the text.
    assert find_match(PEPPER, MEMBER, text.encode().hex().encode(), stored) == stored[0]


@pytest.mark.parametrize("length", [*range(28, 32), *range(42, 45)])
def test_hexadecimal_digits_of_another_length_are_a_text_or_are_refused(length: int) -> None:
    text = (secrets.token_hex(30))[:length]
    if length <= 40:
        assert read_key(text) == text.encode()
    else:
        with pytest.raises(BadKey):
            read_key(text)


@pytest.mark.parametrize("length", [33, 35, 37, 39])
def test_an_odd_number_of_hexadecimal_digits_is_a_text(length: int) -> None:
    text = secrets.token_hex(20)[:length]
    assert read_key(text) == text.encode()


@pytest.mark.parametrize(
    "text",
    [
        *("", "short", "x" * 15, "y" * 41, " Zq8#kLm2!pXv9t4", "Zq8#kLm2!pXv9Rtä", "Zq8#kLm2!pXv9Rt4\n"),
        *("0" * 40, "f" * 32, "00" * 10 + "ff" * 10, "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"),
        *(
            "0102030405060708090a0b0c0d0e0f1011121314",
            "5f3a9c17e2d04b865f3a9c17e2d04b86",
            "5f3a9c17e2d04b8671c9" * 2,
        ),
        *("aaaaaaaaaaaaaaaa", "abababababababab", "abcdefghijklmnop", "1234567890123456"),
        *("password12345678", "Password-2024-Charger", "qwertyuiopasdfgh", "ChargePoint-000123"),
        *(b"password12345678".hex(), b"ChargePoint-000123".hex()),
        *("adminadminadmin1", "ZYXWVUTSRQPONMLK", "demo-charging-station-1"),
    ],
)
def test_a_key_that_cannot_be_used_or_can_be_guessed_is_refused_with_a_text_that_does_not_show_it(
    text: str,
) -> None:
    with pytest.raises(BadKey) as refused:
        read_key(text)
    assert len(text) < 6 or text not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["5f3a9c17e2d04b86a1c97e30f45d2b6810ce7a94", "Zq8#kLm2!pXv9Rt4", "aB3!" * 10]
)
def test_a_key_of_the_right_form_fits_the_pattern_that_is_documented(text: str) -> None:
    assert re.search(KEY_PATTERN, text)


@pytest.mark.parametrize(
    "text", ["", "x" * 15, "y" * 41, " Zq8#kLm2!pXv9t4", "Zq8#kLm2!pXv9t4 ", "Zq8#kLm2!pXv9Rtä"]
)
def test_a_key_of_another_form_does_not_fit_the_pattern_that_is_documented(text: str) -> None:
    assert not re.search(KEY_PATTERN, text)


@given(KEYS)
def test_a_random_key_is_not_refused(key: bytes) -> None:
    """Hypothesis prefers simple bytes, so the key is mixed first."""
    mixed = hmac.digest(b"", key, "sha256")[: len(key)]
    assert read_key(mixed.hex()) == mixed
    text = base64.b64encode(mixed).decode()[:20]
    assert read_key(text) == text.encode()


def test_the_hash_of_a_key_does_not_contain_the_key() -> None:
    key = secrets.token_bytes(20)
    assert key not in passwords.digest(PEPPER, MEMBER, key)
    assert len(passwords.digest(PEPPER, MEMBER, key)) == 32
