"""No secret in a trace, wherever a frame has it; and nothing else of the frame is touched."""

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
def test_no_secret_is_left_and_the_frame_is_still_json(made: tuple[bytes, str]) -> None:
    frame, _ = made
    masked = FrameMasker().mask(frame)
    assert is_hidden(masked), masked
    assert "***" in masked
    before, after = json.loads(frame), json.loads(masked)
    assert before[:2] == after[:2]


@given(frames(), st.sampled_from(["value {} is too short", "{}", "<{}>"]))
def test_a_secret_once_seen_is_hidden_wherever_it_comes_again(made: tuple[bytes, str], quote: str) -> None:
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
def test_a_frame_that_breaks_off(name: str, secret: str, less: int, ascii_: bool) -> None:  # noqa: FBT001
    whole = json.dumps([2, "1", "ChangeConfiguration", {"key": name, "value": secret}], ensure_ascii=ascii_)
    less = min(less, len(whole) - whole.index("value") - 5)
    assert is_hidden(FrameMasker().mask(whole[:-less].encode()))


@given(NAMES, PLAIN)
def test_what_is_not_quite_json(name: str, secret: str) -> None:
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
def test_what_is_no_secret_stays_byte_for_byte(frame: str) -> None:
    assert FrameMasker().mask(frame.encode()) == frame


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc \\\"'{}[]:,/äé\n"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('abc\\"{'), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_whatever_json_without_secrets_stays(payload: Any) -> None:
    frame = json.dumps([2, "1", "DataTransfer", payload])
    assert FrameMasker().mask(frame.encode()) == frame


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_told(frame: bytes) -> None:
    FrameMasker().mask(frame).encode()


@pytest.mark.parametrize(
    "piece", ['{"key":', '"\\', "://", '["{\\"a\\":', 'AuthorizationKey value="', "{'password':", "\\u0041"]
)
def test_a_hostile_frame_costs_less_than_seconds(piece: str) -> None:
    began = time.process_time()
    FrameMasker().mask((piece * 70_000)[:65_536].encode())
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize(
    ("head", "piece"),
    [("OCPP16", "/"), ("OCPP16", "%2F"), ("OCPP16/", "%"), ("://", ":"), ("token", " "), ("cookie:", "\\")],
)
def test_no_run_of_one_sign_is_divided_in_every_way(head: str, piece: str) -> None:
    """Half a minute and more it would take, and no other session would be served meanwhile."""
    began = time.process_time()
    FrameMasker().mask((head + piece * 65_536)[:65_536].encode())
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("word", WORDS)
def test_no_word_that_names_a_secret_is_passed_over(word: str) -> None:
    """The quick look for hints must find whatever the thorough one would."""
    for spelt in (word, word.replace(" ", ""), word.replace(" ", "_").upper()):
        frame = json.dumps({spelt: "hidden-value"})
        assert any(hint in frame.lower() for hint in HINTS)
        assert "hidden-value" not in FrameMasker().mask(frame.encode())


@pytest.mark.parametrize("word", WORDS)
def test_a_secret_in_nested_json_is_hidden_where_it_is_quoted(word: str) -> None:
    """The charge point quotes what it refuses, in its error and beside the nested text itself."""
    masker, secret = FrameMasker(), "Hunter2-Secret9"
    data = json.dumps({word.replace(" ", "_"): secret})
    call = [2, "1", "DataTransfer", {"vendorId": f"not {secret}", "messageId": "x", "data": data}]
    assert secret not in masker.mask(json.dumps(call).encode())
    answer = [4, "1", "GenericError", f"value {secret} refused", {}]
    assert secret not in masker.mask(json.dumps(answer).encode())


def test_a_secret_that_contains_another_is_hidden_whole() -> None:
    masker = FrameMasker()
    frame = json.dumps([{"password": "secret1"}, {"token": "secret1-and-more"}, "is secret1-and-more here"])
    masked = masker.mask(frame.encode())
    assert json.loads(masked) == [{"password": "***"}, {"token": "***"}, "is *** here"]
