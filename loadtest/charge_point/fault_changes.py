"""Changes that faults.py makes to handshakes, to the order of calls, and to payloads."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from msgspec import Raw

type Payload = dict[str, Any]

_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)


class Handshake(NamedTuple):
    """The request with which a charge point connects. The fields are arguments of `connect`."""

    url: str
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    headers: tuple[tuple[str, str], ...] = ()


type Call = tuple[str, Payload]
"""The action and the payload of a call."""


class Turn(NamedTuple):
    """A call that is about to be sent. `last` has the last payload of some actions before it."""

    action: str
    payload: Payload
    last: Mapping[str, Payload]
    first: bool
    """Whether the call is the first one on its connection."""


type Change = Callable[[str, Payload], Any]
"""A function that gets a call's action and payload, and returns the payload that is sent instead."""
type Extra = Callable[[Turn], Iterable[Call]]
"""A function that returns calls which the charge point sends in addition: their actions and payloads."""


# --- Handshakes ------------------------------------------------------------------------------------


def at_path(change: Callable[[str], str]) -> Callable[[Handshake], Handshake]:
    def apply(handshake: Handshake) -> Handshake:
        url = urlsplit(handshake.url)
        return handshake._replace(url=url._replace(path=change(url.path)).geturl())

    return apply


def offer(*subprotocols: str) -> Callable[[Handshake], Handshake]:
    return lambda handshake: handshake._replace(subprotocols=subprotocols)


def double_slash(path: str) -> str:
    head, _, id_ = path.rpartition("/")
    return f"{head}//{id_}"


def id_twice(path: str) -> str:
    return f"{path}/{path.rpartition('/')[2]}"


def add_origin(handshake: Handshake) -> Handshake:
    return handshake._replace(headers=(*handshake.headers, ("Origin", "https://github.com")))


# --- Further calls ---------------------------------------------------------------------------------


def heartbeat_before_boot(turn: Turn) -> Iterable[Call]:
    if turn.action == "BootNotification":
        yield "Heartbeat", {}


def start_again(turn: Turn) -> Iterable[Call]:
    if turn.action == "StartTransaction":
        yield turn.action, turn.payload


def stop_again(turn: Turn) -> Iterable[Call]:
    if turn.first and "StopTransaction" in turn.last:
        yield "StopTransaction", turn.last["StopTransaction"]


def available_before_stop(turn: Turn) -> Iterable[Call]:
    if turn.action == "StopTransaction":
        status = {
            "connectorId": turn.last.get("StartTransaction", {}).get("connectorId", 1),
            "errorCode": "NoError",
            "status": "Available",
            "timestamp": turn.payload["timestamp"],
        }
        yield "StatusNotification", status


def values_after_stop(turn: Turn) -> Iterable[Call]:
    values = turn.last.get("MeterValues", {})
    if turn.action == "StopTransaction" and values.get("transactionId") == turn.payload["transactionId"]:
        at = {"timestamp": turn.payload["timestamp"]}
        yield "MeterValues", values | {"meterValue": [value | at for value in values["meterValue"]]}


def status_of_zero(turn: Turn) -> Iterable[Call]:
    if turn.action == "StatusNotification" and turn.payload["connectorId"] != 0:
        yield turn.action, turn.payload | {"connectorId": 0}


# --- Payloads --------------------------------------------------------------------------------------


def limit_to(action: str, change: Callable[[Payload], Any]) -> Change:
    """Limit a change to one action."""
    return lambda sent, payload: change(payload) if sent == action else payload


def overwrite(action: str, members: Payload) -> Change:
    """Set these members in each payload of one action."""
    return limit_to(action, lambda payload: payload | members)


def fill_in(action: str, members: Payload) -> Change:
    """Add those of these members that a payload of one action does not have."""
    return limit_to(action, lambda payload: members | payload)


def at_times(change: Callable[[str], str]) -> Change:
    """Change each time, at any depth."""

    def apply(tree: Any) -> Any:
        match tree:
            case dict():
                return {
                    name: change(value) if name == "timestamp" else apply(value)
                    for name, value in tree.items()
                }
            case list():
                return [apply(value) for value in tree]
            case _:
                return tree

    return lambda _action, payload: apply(payload)


def no_zone(time: str) -> str:
    return time.removesuffix("Z")


def short_offset(time: str) -> str:
    return f"{no_zone(time)}+00"


def seven_digits(time: str) -> str:
    second, _, fraction = no_zone(time).partition(".")
    return f"{second}.{fraction:0<7}Z"


def at_each_sample(change: Callable[[Payload], Payload]) -> Change:
    """Change each sampled value of a MeterValues."""
    return _at_samples(lambda samples: list(map(change, samples)))


def add_samples(*added: Payload) -> Change:
    """Add sampled values to each list of them in a MeterValues."""
    return _at_samples(lambda samples: [*samples, *added])


def _at_samples(change: Callable[[list[Payload]], list[Payload]]) -> Change:
    def apply(payload: Payload) -> Payload:
        values = [value | {"sampledValue": change(value["sampledValue"])} for value in payload["meterValue"]]
        return payload | {"meterValue": values}

    return limit_to("MeterValues", apply)


def as_number(sample: Payload) -> Payload:
    value = sample["value"]
    return sample | {"value": Raw(value.encode())} if _NUMBER.fullmatch(value) else sample


def with_neutral(sample: Payload) -> Payload:
    phase = sample.get("phase")
    is_current = sample.get("measurand", "").startswith("Current.")
    return sample | {"phase": f"{phase}-N"} if is_current and phase in {"L1", "L2", "L3"} else sample


def unpack(payload: Payload) -> Payload:
    """Write each list of one item as this item."""
    values = [
        value | {"sampledValue": value["sampledValue"][0]} if len(value["sampledValue"]) == 1 else value
        for value in payload["meterValue"]
    ]
    return payload | {"meterValue": values[0] if len(values) == 1 else values}


def with_empty_samples(payload: Payload) -> Payload:
    return payload | {"transactionData": [{"timestamp": payload["timestamp"], "sampledValue": []}]}


def error_if_finishing(payload: Payload) -> Payload:
    return payload | {"errorCode": "OtherError"} if payload["status"] == "Finishing" else payload


def without(name: str) -> Callable[[Payload], Payload]:
    return lambda payload: {key: value for key, value in payload.items() if key != name}


def without_readonly(payload: Payload) -> Payload:
    keys = payload.get("configurationKey")
    return payload | {"configurationKey": list(map(without("readonly"), keys))} if keys else payload
