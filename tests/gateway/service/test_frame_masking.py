"""A trace never shows a secret of a frame, and the rest of the frame stays unchanged."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.service.frame_masking import HINTS, FrameMasker
from gateway.service.secrets import WORDS
from tests.support.secret_frames import ANY, NAMES, PLAIN, frames, is_hidden


@given(frames())
def test_a_masked_frame_contains_no_secret_and_is_still_json(made: tuple[bytes, str]) -> None:
    frame, _ = made
    masked = FrameMasker().mask(frame)
    assert is_hidden(masked), masked
    assert "***" in masked
    before, after = json.loads(frame), json.loads(masked)
    assert before[:2] == after[:2]


@given(frames(), st.sampled_from(["value {} is too short", "{}", "<{}>"]))
def test_a_secret_that_was_hidden_in_one_frame_is_hidden_in_all_later_frames(
    made: tuple[bytes, str], quote: str
) -> None:
    frame, secret = made
    masker = FrameMasker()
    masker.mask(
        json.dumps([2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": secret}]).encode()
    )
    for ascii_ in (True, False):
        refusal = [4, "1", "PropertyConstraintViolation", quote.format(secret), {"x": secret}]
        assert is_hidden(masker.mask(json.dumps(refusal, ensure_ascii=ascii_).encode()))
    assert is_hidden(masker.mask(frame))


@given(NAMES, ANY, st.integers(1, 60), st.booleans())
def test_a_frame_that_was_cut_off_shows_no_secret(name: str, secret: str, less: int, ascii_: bool) -> None:  # noqa: FBT001
    whole = json.dumps([2, "1", "ChangeConfiguration", {"key": name, "value": secret}], ensure_ascii=ascii_)
    less = min(less, len(whole) - whole.index("value") - 5)
    assert is_hidden(FrameMasker().mask(whole[:-less].encode()))


@given(NAMES, PLAIN)
def test_malformed_json_shows_no_secret_after_masking(name: str, secret: str) -> None:
    for frame in (
        repr([2, "1", "ChangeConfiguration", {"key": name, "value": secret}]),
        f"[2,1,ChangeConfiguration,{{key:{name.replace('[', '(').replace(']', ')')},value:{secret}}}]",
        f'[2,"1","ChangeConfiguration",{{"key":"{name}","value":"{secret}",}}]',
        f'[2,"1","ChangeConfiguration",{{"key":"{name}","value":"{secret}"}}',
        f'[2,"1","ChangeConfiguration",{{"key":"{name}","value":"a"b{secret}"}}]',
        f'\ufeff[2,"1","ChangeConfiguration",{{"key":"{name}","value":"{secret}"}}]',
    ):
        assert is_hidden(FrameMasker().mask(frame.encode())), frame


@pytest.mark.parametrize(
    "frame",
    [
        '[2,"1","Heartbeat",{}]',
        '[ 2 , "1",\n"Authorize", {"idTag":"AUTHORIZE-7"} ]',
        '[2,"1","GetConfiguration",{"key":["AuthorizationKey","HeartbeatInterval"]}]',
        '[3,"1",{"configurationKey":[],"unknownKey":["AuthorizationKey"]}]',
        '[3,"1",{"configurationKey":[{"key":"AuthorizeRemoteTxRequests","readonly":false,"value":"true"}]}]',
        '[2,"1","GetDiagnostics",{"location":"https://host.example:8443/upload"}]',
        '[2,"1","DataTransfer",{"vendorId":"x","data":"{\\"a\\":\\"\\u00e4\\\\n\\"}"}]',
        '[2,"1","ChangeConfiguration",{"key":"WebSocketPingInterval","value":"\\u0036\\u0030"}]',
        "nonsense",
        "",
    ],
)
def test_masking_changes_no_byte_of_a_frame_except_the_secrets(frame: str) -> None:
    assert FrameMasker().mask(frame.encode()) == frame


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc \\\"'{}[]:,/äé\n"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('abc\\"{'), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_a_json_frame_without_secrets_stays_unchanged(payload: Any) -> None:
    frame = json.dumps([2, "1", "DataTransfer", payload])
    assert FrameMasker().mask(frame.encode()) == frame


@given(st.binary(max_size=300))
def test_bytes_that_are_not_utf8_are_shown_as_text(frame: bytes) -> None:
    FrameMasker().mask(frame).encode()


@pytest.mark.parametrize(
    "piece", ['{"key":', '"\\', "://", '["{\\"a\\":', 'AuthorizationKey value="', "{'password':", "\\u0041"]
)
def test_a_hostile_frame_is_masked_quickly(piece: str) -> None:
    began = time.process_time()
    FrameMasker().mask((piece * 70_000)[:65_536].encode())
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize(
    ("head", "piece"),
    [("OCPP16", "/"), ("OCPP16", "%2F"), ("OCPP16/", "%"), ("://", ":"), ("token", " "), ("cookie:", "\\")],
)
def test_a_long_run_of_one_character_is_masked_quickly(head: str, piece: str) -> None:
    """A bad regular expression would take half a minute and block all other sessions."""
    began = time.process_time()
    FrameMasker().mask((head + piece * 65_536)[:65_536].encode())
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("word", WORDS)
def test_the_quick_search_of_the_masking_finds_every_word_that_marks_a_secret(word: str) -> None:
    """Each secret word must contain a hint, because a frame without a hint is not searched further."""
    for spelt in (word, word.replace(" ", ""), word.replace(" ", "_").upper()):
        frame = json.dumps({spelt: "hidden-value"})
        assert any(hint in frame.lower() for hint in HINTS)
        assert "hidden-value" not in FrameMasker().mask(frame.encode())


@pytest.mark.parametrize("word", WORDS)
def test_a_secret_inside_nested_json_is_hidden_wherever_it_is_quoted(word: str) -> None:
    """A secret of nested JSON is also hidden elsewhere in the same frame and in the error that quotes it."""
    masker, secret = FrameMasker(), "Hunter2-Secret9"
    data = json.dumps({word.replace(" ", "_"): secret})
    call = [2, "1", "DataTransfer", {"vendorId": f"not {secret}", "messageId": "x", "data": data}]
    assert secret not in masker.mask(json.dumps(call).encode())
    answer = [4, "1", "GenericError", f"value {secret} refused", {}]
    assert secret not in masker.mask(json.dumps(answer).encode())


def test_a_secret_that_contains_another_secret_is_hidden_completely() -> None:
    masker = FrameMasker()
    frame = json.dumps([{"password": "secret1"}, {"token": "secret1-and-more"}, "is secret1-and-more here"])
    masked = masker.mask(frame.encode())
    assert json.loads(masked) == [{"password": "***"}, {"token": "***"}, "is *** here"]


@pytest.mark.parametrize(
    "frame",
    [
        '[3,"1",{"value":"SECRETSECRET","filler":"',
        '[3,"1",{"configurationKey":[{"value":"SECRETSECRET","filler":["',
        '[3,"1",{"data":"{\\"value\\":\\"SECRETSECRET\\",\\"filler\\":\\"',
        '[3,"1",{"key":"AuthorizationKey","value":"SECRETSECRET',
    ],
)
def test_a_value_is_hidden_if_the_frame_was_cut_before_the_name_of_its_setting(frame: str) -> None:
    assert "SECRET" not in FrameMasker().mask((frame + "x" * 100).encode())
    assert "7.5" in FrameMasker().mask(b'[2,"1","MeterValues",{"meterValue":[{"value":"7.5"}],"token":"x')
