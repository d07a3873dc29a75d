import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.service import logs, masking
from gateway.service.masking import mask, mask_credentials, mask_location, mask_text

SECRET = "s3cr3t-V4lue_of+this"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


class Telltale:
    def __repr__(self) -> str:
        return f"<Request GET /OCPP16/demo/{SECRET}/CP1 Authorization: Basic {SECRET}>"


TEXTS = [
    f"GET /OCPP16/demo/{SECRET}/CP1 HTTP/1.1",
    f"wss://localhost:8443/OCPP16/demo/{SECRET}/CP1?x=1",
    f"/ocpp16/de%20mo/{SECRET}/CP%2F1",
    f"https://x/?next=%2FOCPP16%2Fdemo%2F{SECRET}%2FCP1",
    f"redis://user:{SECRET}@host:6379/0 is away",
    f"rediss://:p@{SECRET}@host is away",
    f"ftp://user:p/{SECRET}@host/path is away",
    f"Authorization: Basic {SECRET}",
    f"authorization: Bearer {SECRET}\r\nHost: x",
    f"{{'Authorization': 'Basic {SECRET}'}}",
    f"[(b'authorization', b'Basic {SECRET}'), (b'host', b'x')]",
    f"curl -H 'Authorization: Bearer csms_abc_{SECRET}'",
    f"key csms_abc12_{SECRET} was refused",
    f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{SECRET}"}}]',
    f'[2,"1","ChangeConfiguration",{{"value":"{SECRET}","key":"AuthorizationKey"}}]',
    f'[3,"1",{{"configurationKey":[{{"key":"AuthorizationKey","readonly":false,"value":"{SECRET}"}}]}}]',
    json.dumps({"frame": f'{{"key":"AuthorizationKey","value":"{SECRET}"}}'}),
    repr(f'{{"key": "authorizationkey", "value": "a\\"{SECRET}"}}'),
    f"ChangeConfiguration(key='AuthorizationKey', value='{SECRET}')",
    f"https://x/?access_token={SECRET}&y=1",
    f"SecurityConfig(pepper='{SECRET}', window=1)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_masked_text_contains_no_secret(text: str) -> None:
    masked = mask_text(text)
    assert SECRET not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        "the store is away",
        "redis://localhost:6379/0",
        "https://host:8080/path",
        "https://host/path?mail=a@b",
        "Basic authentication is needed",
        "token_id=abc",
        '{"key":"HeartbeatInterval","value":"300"}',
        "/OCPP16/",
    ],
)
def test_text_without_secrets_is_not_changed_by_the_masking(text: str) -> None:
    assert mask_text(text) == text


VALUES: list[tuple[str, Any]] = [
    ("authorization", SECRET),
    ("admin_token", SECRET),
    ("pepper", SECRET.encode()),
    ("headers", {"Authorization": f"Basic {SECRET}", "Cookie": SECRET}),
    ("headers", [("authorization", f"Basic {SECRET}")]),
    ("headers", [(b"Authorization", b"Basic " + SECRET.encode())]),
    ("payload", {"key": "AuthorizationKey", "value": SECRET}),
    ("payload", {"configurationKey": [{"key": "authorizationkey", "readonly": True, "value": SECRET}]}),
    ("payload", f'{{"key":"AuthorizationKey","value":"{SECRET}"}}'.encode()),
    ("request", Telltale()),
    ("error", OSError(f"redis://:{SECRET}@host")),
    ("deep", [[[[[[[[[Telltale()]]]]]]]]]),
]


@pytest.mark.parametrize(("name", "value"), VALUES)
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_that_is_the_value_of_a_field_is_not_logged(
    form: logs.Format, name: str, value: Any
) -> None:
    stream = io.StringIO()
    logs.configure("info", form, stream)
    structlog.get_logger().warning("it_happened", **{name: value})
    logging.getLogger("library").warning("it happened: %s", {name: value})
    assert SECRET not in stream.getvalue()
    assert stream.getvalue().count("it_happened") == 1
    assert stream.getvalue().count("it happened") == 1


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_in_the_text_of_an_exception_is_not_logged(form: logs.Format) -> None:
    stream = io.StringIO()
    logs.configure("info", form, stream)
    cause = ConnectionError(f"cannot reach redis://:{SECRET}@host")
    cause.add_note(f"Authorization: Basic {SECRET}")
    try:
        raise ExceptionGroup("x", [ValueError(f"/OCPP16/demo/{SECRET}/CP1")]) from cause  # noqa: TRY301  on purpose
    except ExceptionGroup:
        structlog.get_logger().exception("failed")
        logging.getLogger("library").exception("failed too")
    text = stream.getvalue()
    assert SECRET not in text
    assert text.count("ConnectionError") >= 2
    assert text.count("ExceptionGroup") >= 2


def test_a_json_log_line_has_a_level_and_a_time_and_an_event_and_the_context() -> None:
    stream = io.StringIO()
    logs.configure("info", "auto", stream)
    with structlog.contextvars.bound_contextvars(tenant="demo"):
        structlog.get_logger().info("session.opened", number=1)
        structlog.get_logger().debug("not shown")
    logging.getLogger("hypercorn").error("it fell")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {"event": "session.opened", "level": "info", "tenant": "demo", "number": 1}
    assert (second["event"], second["logger"], second["level"]) == ("it fell", "hypercorn", "error")


def test_a_hostile_text_is_masked_quickly_and_is_shortened() -> None:
    for piece in (
        "://",
        "://:",
        "csms_",
        "AuthorizationKey value='",
        "/OCPP16/",
        "Basic ",
        "?token=",
        "value='key",
    ):
        masked = mask_text(piece * 20_000)
        assert len(masked) < 8_192
        assert masked.endswith("characters more)")


@pytest.mark.parametrize("piece", ["?", "?p", "&a", "&" + 64 * "a", "token?", "=&", "?a=b"])
def test_a_hostile_query_is_masked_quickly(piece: str) -> None:
    """The masking holds the interpreter lock, so a slow masking would make sessions wait."""
    text = piece * (65_536 // len(piece))
    began = time.process_time()
    mask_credentials(text)
    assert time.process_time() - began < 0.25


def test_a_hostile_traceback_is_masked_quickly() -> None:
    for piece in ("AuthorizationKey value='", "value='a', key='", "/OCPP16//", "://:"):
        began = time.process_time()
        mask(None, "error", {"event": "x", "exception": piece * 4_000})
        assert time.process_time() - began < 1.5


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_repr_that_raises_an_error_does_not_stop_the_logging() -> None:
    assert "Unprintable" in mask(None, "info", {"event": "x", "it": Unprintable()})["it"]


@given(st.text(max_size=300), st.text("abcdefgh0123456789-_", min_size=20, max_size=43), st.text(max_size=50))
def test_a_token_in_a_path_is_masked_whatever_characters_surround_the_path(
    before: str, token: str, after: str
) -> None:
    masked = mask_text(f"{before}/OCPP16/demo/{token}/{after}")
    if token not in before + after:
        assert token not in masked


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("ftp://user:pass@host:21/a/b", "ftp://***@host:21/a/b"),
        ("https://p@ss@host/x@y", "https://***@host/x@y"),
        ("https://host/x?sig=abc&se=1#part", "https://host/x?***#part"),
        ("https://u@host/x?sig=@b", "https://***@host/x?***"),
        ('{"location":"ftp://u:p@h/x?s=1","retries":1}', '{"location":"ftp://***@h/x?***","retries":1}'),
        ("https://host/what?", "https://host/what?"),
        ("https://host/x?to=https://a:b@c&sig=d", "https://host/x?***"),
        ("https://proxy/ftp://u:p@host/x", "https://proxy/ftp://***@host/x"),
        ("ftp://u:p?w@host/x", "ftp://***@host/x"),
        ("host/x@y?z", "host/x@y?z"),
        ("", ""),
    ],
)
def test_only_the_credentials_of_a_url_are_masked(location: str, shown: str) -> None:
    assert mask_location(location) == shown


@given(st.text(max_size=200))
def test_json_with_a_masked_url_is_still_json(location: str) -> None:
    assert json.loads(mask_location(json.dumps({"x": f"ftp://a:b@{location}?c"}))).keys() == {"x"}


def test_a_hostile_url_is_masked_quickly() -> None:
    for piece in ("://", "://@", "?", "://?", "@", "://a?b"):
        began = time.process_time()
        mask_location(piece * 20_000)
        assert time.process_time() - began < 1.0


WORDS = (
    *("AuthorizationKey", "authorization", "cookie", "value", "key", "Basic", "Bearer", "OCPP16", "csms_t_x"),
    *("csms_", "password", "token", "secret", "auth", "2026-11-30T08:00:00Z", "::ffff:10.0.0.1", "CP_001"),
    *(".", "-", "_", ":", "=", "/", "?", "&", "@", '"', "'", " ", "\\", "%2F", ",", "ab12"),
)


@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
def test_a_text_that_is_taken_for_harmless_at_a_glance_has_nothing_to_mask(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masking, "_is_harmless", lambda _: None)
        masked = mask_text(text)
    assert mask_text(text) == masked
