"""Read as much as possible of a malformed frame, so that the peer gets an answer.

OCPP 1.6 has no answer to a message whose id cannot be read, so csms ignores and counts such a frame.
"""

import re
from typing import Any, Final, NamedTuple

import msgspec

from gateway.ocpp16 import frames
from gateway.ocpp16.faults import json_repairs
from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.frames import MESSAGE_ID_LIMIT, MessageId

ID_LIMIT: Final = 255
"""Longest message id that we echo, in characters.

Some charge points exceed the 36 characters of the specification.
"""

ID_RULE: Final = f"the message id is not valid; it must be text of at most {MESSAGE_ID_LIMIT} characters"
FRAME_RULE: Final = "the action is absent or not text; a CALL is [2, id, action, payload]"
_DEPTH_RULE: Final = "the frame is nested too deeply; 6 levels suffice for OCPP 1.6"

_START = re.compile(
    r'[\s\x00\ufeff]*\[\s*([234])\s*,\s*(?:"([^"\\\x00-\x1f]{0,255})"|(-?\d{1,18}(?![\d.eE])))\s*,'
)
_LARGEST: Final = 2**63


class Salvaged(NamedTuple):
    """A message that can be handled in place of the malformed frame.

    `rest` is the text of the next message, if one text frame held several.
    """

    message: frames.Call | frames.CallResult | frames.CallError
    faults: tuple[FaultName, ...]
    rest: str = ""


class Lost(NamedTuple):
    """A frame of which at most the message id could be read. `id` None means that no answer is possible.

    `text` says what is wrong. `rest` is the text of the next message, if one text frame held several.
    """

    fault: FaultName
    id: MessageId | None = None
    text: str = ""
    rest: str = ""


def may_be_id(id_: Any) -> bool:
    """Return whether `id_` is text of at most ID_LIMIT characters, or an integer that fits into 64 bits."""
    return (type(id_) is str and len(id_) <= ID_LIMIT) or (type(id_) is int and abs(id_) < _LARGEST)


def salvage(frame: bytes | str, *, repair: bool) -> Salvaged | Lost:
    """Read as much as possible of a frame that did not decode. Never raises.

    With `repair`, faults in the JSON are repaired where the text can mean only one thing.
    """
    if not frame.strip():
        return Lost("empty_frame")
    text = frame if isinstance(frame, str) else frame.decode(errors="replace")
    if isinstance(frame, bytes) and "\ufffd" in text and not _is_utf8(frame):
        return _salvage_start(text, "not_utf8", "the frame is not UTF-8; send text in UTF-8")
    try:
        tree = msgspec.json.decode(text)
    except RecursionError:
        return _salvage_start(text, "nested_too_deeply", _DEPTH_RULE)
    except (msgspec.DecodeError, UnicodeError) as error:
        if repair and (repaired := json_repairs.repair(text)) is not None:
            return _salvage_repaired(repaired)
        return _salvage_start(text, "not_json", f"the frame is not valid JSON ({error})")
    return _salvage_tree(tree)


def _salvage_repaired(repaired: json_repairs.Repaired) -> Salvaged | Lost:
    text, faults, rest = repaired
    try:
        return Salvaged(frames.decode(text), faults, rest)
    except frames.DECODE_ERRORS:
        pass
    try:
        found = _salvage_tree(msgspec.json.decode(text))
    except frames.DECODE_ERRORS as error:
        return _salvage_start(text, "not_json", f"the frame is not valid JSON ({error})")
    if isinstance(found, Lost):
        return found._replace(rest=rest)
    return found._replace(faults=(*faults, *found.faults), rest=rest)


def _is_utf8(frame: bytes) -> bool:
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True


def _salvage_start(text: str, fault: FaultName, problem: str) -> Salvaged | Lost:
    start = _START.match(text)
    if start is None:
        return Lost(fault)
    kind, text_id, number = start.groups()
    id_: MessageId = text_id if number is None else int(number)
    if kind == "2":
        return Lost(fault, id_, problem)
    # An answer that cannot be read ends our call now, because the call would otherwise wait for its time-out.
    return Salvaged(frames.CallResult(id_, msgspec.Raw(b"?")), (fault,))


def _salvage_tree(tree: Any) -> Salvaged | Lost:  # noqa: PLR0911  one return per kind of mistake
    match tree:
        case [2, bool() | float(), *_] | [3, bool() | float(), *_] | [4, bool() | float(), *_]:
            return Lost("id_unreadable")
        case [int() as kind, (str() | int()) as id_, *rest] if type(kind) is int and may_be_id(id_):
            if kind == 2:
                return Lost("not_a_call", id_, FRAME_RULE)
            if kind == 4:
                code = rest[0] if rest and isinstance(rest[0], str) else ""
                return Salvaged(frames.CallError(id_, code), ("error_misformed",))
            return Lost("message_type_unknown")  # OCPP-J 4.1.3 says to ignore the frame.
        case [2 | 3 | 4, *_]:
            return Lost("id_unreadable")
        case [_, *_]:
            return Lost("message_type_unknown")
        case _:
            return Lost("not_a_frame")
