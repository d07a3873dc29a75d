import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp16.actions import ACTIONS
from gateway.service.known_secrets import KEPT, KnownSecrets

KEY = bytes.fromhex("5f3a9c17e2d04b86a1c97e30f45d2b6810ce7a94")
TEXT = b"Zq8#kLm2!pXv9Rt4"


def known(*secrets: bytes) -> KnownSecrets:
    found = KnownSecrets()
    for secret in secrets:
        found.add(secret)
    return found


def forms(secret: bytes) -> list[bytes]:
    encoded = base64.b64encode(secret)
    hexadecimal = secret.hex().encode()
    return [
        *(secret, hexadecimal, hexadecimal.upper(), encoded, encoded.rstrip(b"=")),
        base64.b64encode(hexadecimal),
    ]


def test_a_secret_is_hidden_in_each_form_in_which_a_charge_point_may_quote_it() -> None:
    for secret in (KEY, TEXT):
        for form in forms(secret):
            assert form not in known(secret).hide(b'[4,"1","X","no ' + form + b'",{}]')


def test_a_key_that_is_known_as_hexadecimal_text_is_also_hidden_as_bytes() -> None:
    for form in forms(KEY):
        assert form not in known(KEY.hex().encode()).hide(b"... " + form + b" ...")


def test_the_rest_of_the_frame_stays_as_it_is_and_is_still_json() -> None:
    frame = json.dumps([2, "1", "StatusNotification", {"info": f"bad key {TEXT.decode()}", "n": 1}])
    shown = json.loads(known(TEXT).hide(frame.encode()))
    assert shown == [2, "1", "StatusNotification", {"info": "bad key ***", "n": 1}]


@given(st.binary(max_size=200))
def test_a_frame_without_a_secret_is_not_changed(frame: bytes) -> None:
    if TEXT not in frame and KEY not in frame:
        assert known(TEXT, KEY).hide(frame) is frame


def test_a_short_secret_is_not_searched_because_it_would_hide_harmless_text() -> None:
    assert known(b"status").hide(b'{"status":"x"}') == b'{"status":"x"}'
    assert known(b"").hide(b"abc") == b"abc"


@pytest.mark.parametrize("name", ACTIONS)
def test_a_password_that_is_the_name_of_an_action_spoils_no_message(name: str) -> None:
    frame = f'[2,"1","{name}",{{}}]'.encode()
    assert known(name.encode()).hide(frame) == frame


def test_the_number_of_texts_is_bounded_and_the_newest_secret_is_kept() -> None:
    secrets = [b"secret number %06d" % number for number in range(500)]
    found = known(*secrets)
    assert len(found._texts) <= KEPT
    assert secrets[-1] not in found.hide(b"x" + secrets[-1])


def test_the_text_form_does_not_show_the_secrets() -> None:
    assert TEXT.decode() not in repr(known(TEXT))
