"""A record shows what a refused request claimed to be, and never a part of a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.claims import HIDDEN, SHOWN_CHARACTERS, Claim, read, show
from state.tenants import credentials

TOKEN = "3kQROqneODUrZQfs" + "EVUjUkcEOPw8uGLLRg16zy8V"
"""A token that is always the same, because the names of tests contain it."""


def test_the_token_of_these_tests_looks_like_one_of_csms() -> None:
    token = credentials.new_id() + credentials.new_random()
    assert len(TOKEN) == len(token)
    assert token.isalnum()
    assert TOKEN.isalnum()


@pytest.mark.parametrize(
    ("target", "claim"),
    [
        (f"/OCPP16/acme/{TOKEN}/CP-1", Claim("acme", "CP-1")),
        ("/OCPP16/acme/secret/CP%201?token=x", Claim("acme", "CP 1")),
        (f"ws://host/OCPP16/acme/{TOKEN}/CP-1", Claim("acme", "CP-1")),
        (f"/OCPP16/acme/{TOKEN}/CP-1/CP-1", Claim("acme", "CP-1")),
        (f"/OCPP16/acme/{TOKEN}", Claim("acme")),
        (f"/OCPP16/acme/{TOKEN}/", Claim("acme")),
        (f"/OCPP16/{TOKEN}/CP-1", Claim(HIDDEN)),
        (f"/OCPP16/{TOKEN}/acme/CP-1", Claim(HIDDEN, "CP-1")),
        (f"/OCPP16/acme/CP-1/{TOKEN}", Claim("acme", HIDDEN)),
        (f"/ocpp/acme/{TOKEN}/CP-1", Claim()),
        (f"/{TOKEN}", Claim()),
        ("/", Claim()),
        ("ws://[x/", Claim()),
        ("/OCPP16/acme/x/CP%00%0A%FF", Claim("acme", r"CP\x00\n\xff")),
    ],
)
def test_a_claim_is_read_from_a_path_only_where_no_token_can_be(target: str, claim: Claim) -> None:
    assert read(target) == claim


@pytest.mark.parametrize(
    "name", ["EVB-P12345678", "0123456789" * 2, "CP", "abcdefghijklmnopqrstuvw", "Säule 1"]
)
def test_an_id_that_looks_like_no_token_is_shown_as_it_is(name: str) -> None:
    assert show(name) == name


def test_a_long_name_is_cut() -> None:
    assert read(f"/OCPP16/acme/x/{'a-' * 10_000}").charge_point == ("a-" * 200)[:SHOWN_CHARACTERS]


@given(st.text(), st.integers(0, 5))
def test_any_target_is_read_without_an_error_and_no_token_is_shown(text: str, place: int) -> None:
    parts = ["OCPP16", *text.split("/")]
    parts.insert(place, TOKEN)
    claim = read("/" + "/".join(parts))
    for name in claim:
        assert name is None or (TOKEN not in name and name.isprintable() and len(name) <= SHOWN_CHARACTERS)
