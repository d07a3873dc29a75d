from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.path import BadPath, PathNames, parse
from gateway.ocpp16.faults.table import FaultName

names = st.text(min_size=1, max_size=60).filter(
    lambda text: text.isprintable() and not {":", "/"} & set(text) and len(text.encode()) <= 255
)


@given(names, names, names)
def test_every_printable_name_is_the_same_after_it_is_percent_encoded_and_decoded(
    tenant: str, token: str, charge_point: str
) -> None:
    path = "/OCPP16/" + "/".join(quote(name, safe="") for name in (tenant, token, charge_point))
    assert parse(path) == PathNames(tenant, token, charge_point)


@given(st.text(max_size=300))
def test_the_parser_of_request_targets_either_returns_names_or_raises_the_error_bad_path(target: str) -> None:
    try:
        found = parse(target)
    except BadPath:
        return
    assert all(name and name.isprintable() and "/" not in name and ":" not in name for name in found[:3])


@pytest.mark.parametrize(
    ("target", "charge_point"),
    [
        ("/OCPP16/t/k/RDAM%7C123", "RDAM|123"),
        ("/OCPP16/t/k/%2520", "%20"),
        ("/OCPP16/t/k/CP%201?x=1", "CP 1"),
        ("ws://csms.example:443/OCPP16/t/k/CP.1", "CP.1"),
        ("/OCPP16/t/k/" + "%C3%A9" * 127, "é" * 127),
    ],
)
def test_a_path_is_percent_decoded_exactly_once(target: str, charge_point: str) -> None:
    assert parse(target).charge_point == charge_point


@pytest.mark.parametrize(
    ("target", "charge_point", "faults"),
    [
        ("/OCPP16/t/k/CP/", "CP", ["trailing_slash"]),
        ("//OCPP16/t/k//CP", "CP", ["double_slash"]),
        ("/OCPP16/t/k/CP//", "CP", ["trailing_slash", "double_slash"]),
        ("/OCPP16/t/k/CP/CP", "CP", ["id_twice"]),
        ("/OCPP16/t/k/C%20P/C%20P/", "C P", ["trailing_slash", "id_twice"]),
        ("wss://csms.example/OCPP16/t/k/CP", "CP", ["absolute_target"]),
    ],
)
def test_harmless_faults_of_a_path_are_repaired_and_reported_by_name(
    target: str, charge_point: str, faults: list[FaultName]
) -> None:
    assert parse(target) == PathNames("t", "k", charge_point, tuple(faults))


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/", "must be /OCPP16/"),
        ("/OCPP16/t/k", "id is missing"),
        ("/OCPP16/t/k/CP/other", "must be /OCPP16/"),
        ("/OCPP16/t/k/CP/CP/CP", "must be /OCPP16/"),
        ("/OCPP16//k/CP", "id is missing"),
        ("/ocpp16/t/k/CP", "must be /OCPP16/"),
        ("ws://[csms/OCPP16/t/k/CP", "must be /OCPP16/"),
        ("/OCPP16/t/k/", "id is missing"),
        ("/OCPP16/t/k/%ff", "UTF-8"),
        ("/OCPP16/t/k/a%00b", "control character"),
        ("/OCPP16/t/k/a%0Ab", "control character"),
        ("/OCPP16/t/k/a%3Ab", "':'"),
        ("/OCPP16/t/k/a%2Fb", "'/'"),
        ("/OCPP16/t/k/" + "a" * 256, "255 bytes"),
        ("/OCPP16/t/k/" + "%C3%A9" * 128, "255 bytes"),
    ],
)
def test_the_error_for_a_bad_path_gives_the_reason_and_does_not_show_the_token(
    target: str, says: str
) -> None:
    with pytest.raises(BadPath, match=says) as raised:
        parse(target.replace("/k/", "/s3cret/"))
    assert "s3cret" not in str(raised.value)


def test_the_names_of_a_path_are_shown_without_the_token() -> None:
    assert "s3cret" not in repr(parse("/OCPP16/acme/s3cret/CP-1"))
