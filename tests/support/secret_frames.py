"""Frames with a secret in each place where a frame can have a secret."""

import json
import string
from typing import Any

from hypothesis import strategies as st

# Each secret begins and ends with one of these texts, so that the test finds a part of a secret too.
FIRST, LAST = "K7qX", "Z9wV"

ANY = st.text(max_size=20).map(lambda text: FIRST + text + LAST)
PLAIN = st.text(string.ascii_letters + string.digits + "-._~", max_size=20).map(
    lambda text: FIRST + text + LAST
)
IN_URL = st.text(string.ascii_letters + string.digits + "-._~!$&()*+,;=@/%", max_size=20).map(
    lambda text: FIRST + text + LAST
)

NAMES = st.sampled_from(
    [
        *(
            "AuthorizationKey",
            "authorizationkey",
            "AUTHORIZATIONKEY",
            "AuthorizationKey1",
            "Authorization_Key",
        ),
        *("Connector1.AuthorizationKey", "AuthorizationKey[2]", "AdminPassword", "WiFi-Passphrase", "ApiKey"),
        *("MqttPassword", "api_token", "ClientSecret", "FtpCredentials"),
    ]
)


@st.composite
def settings_with(draw: st.DrawFn, secret: str) -> dict[str, Any]:
    """Generate an entry of a configuration with its members in any order."""
    members = [("key", draw(NAMES)), ("value", secret), ("readonly", draw(st.booleans()))]
    return dict(draw(st.permutations(members)))


@st.composite
def payloads(draw: st.DrawFn) -> tuple[Any, str]:
    """Generate a payload and the secret in it."""
    kind = draw(
        st.sampled_from(["set", "get", "member", "data", "nested", "url", "header", "path", "message"])
    )
    secret = draw({"url": IN_URL, "header": PLAIN, "path": PLAIN}.get(kind, ANY))
    others = [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]
    payload: Any
    match kind:
        case "set":
            payload = draw(settings_with(secret))
        case "get":
            payload = {"configurationKey": [*others, draw(settings_with(secret)), *others]}
        case "member":
            payload = {"vendorId": "x", "data": {draw(NAMES): secret, "other": 1}}
        case "data":
            payload = {"vendorId": "x", "data": {draw(NAMES): {"is": [secret]}}}
        case "nested":
            payload = {"vendorId": "x", "data": draw(settings_with(secret))}
            for _ in range(draw(st.integers(1, 6))):
                payload = {"data": json.dumps(payload)}
        case "url":
            link = draw(
                st.sampled_from(["ftp://user:{}@host.example/path?x=1", "https://host/logs?x=1&sig={}"])
            )
            payload = {"location": link.format(secret), "retries": 3}
        case "header":
            payload = {"info": f"Authorization: {draw(st.sampled_from(['Basic', 'Bearer']))} {secret}"}
        case "path":
            payload = {"info": f"wss://host/OCPP16/acme/{secret}/CP-1 fails"}
        case _:
            payload = {"messageId": "SetPassword", "vendorId": "x", "data": secret}
    return payload, secret


@st.composite
def frames(draw: st.DrawFn) -> tuple[bytes, str]:
    payload, secret = draw(payloads())
    head = draw(st.sampled_from([[3, "17"], [2, "17", "DataTransfer"], [4, "17", "GenericError", "no"]]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " :\n")]))
    text = json.dumps([*head, payload], ensure_ascii=draw(st.booleans()), separators=separators)
    return text.encode(), secret


def is_hidden(masked: str) -> bool:
    return FIRST not in masked and LAST not in masked
