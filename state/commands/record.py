"""The record of a command, the id of a command, and a digest by which equal commands are recognised."""

import base64
import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

import msgspec

from state import keys as key_names
from state.commands.table import Status
from state.keys import ChargePointKeys
from state.replies import read_fields

PAYLOAD_BYTES_MAX = 65536

type Why = Literal["connection_ended", "node_lost"]

_ID = re.compile(r"[0-9a-f]{2}\.[A-Za-z0-9_-]{22}")
_ACTION = re.compile(r"[A-Za-z]{1,50}")


class _Failure(msgspec.Struct):
    unreadable: bool = False


class _Answer(msgspec.Struct):
    """What csms reads of any response. Other members are skipped, so they may hold numbers of any size."""

    status: str | None = None


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded command. `response` is the CALLRESULT's payload.

    `error` is an object of code, description and details. If the charge point sent a CALLRESULT that cannot
    be read, `error` also has the member `unreadable`, which is true.
    """

    id: str
    tenant: str
    charge_point: str
    action: str
    payload: msgspec.Raw = msgspec.Raw()
    status: Status
    response: msgspec.Raw | None = None
    error: msgspec.Raw | None = None
    created_ms: int
    deadline_ms: int
    """Deadline for the answer, or the end of the wait while the status is `waiting`."""
    anchored_ms: int | None = None
    """When the deadline was set again, because the server's clock was set. None means that it never was."""
    sent_ms: int | None = None
    settled_ms: int | None = None
    why: Why | None = None
    """Why the outcome of a command is `unknown`."""
    by: str | None = None
    """Id of the API key that sent the command. None for csms itself, and for commands of older releases."""
    waits_until_ms: int | None = None
    """How long a command with `when=online` may wait. None means that the command does not wait."""
    ttl_ms: int | None = None
    """How long a command with `when=online` may take from its claim to its answer."""
    transaction: str | None = None
    """Public id of the transaction that began because of this RemoteStartTransaction."""

    @property
    def set_ms(self) -> int:
        """The time at which the deadline was set."""
        return self.created_ms if self.anchored_ms is None else self.anchored_ms

    @property
    def unreadable(self) -> bool:
        """Whether `error` says why the charge point's answer cannot be read."""
        return self.error is not None and msgspec.json.decode(self.error, type=_Failure).unreadable

    @property
    def answer_status(self) -> str | None:
        """The member `status` of the response. None if there is no response, or no text with this name."""
        if self.response is None:
            return None
        try:
            return msgspec.json.decode(self.response, type=_Answer).status
        except msgspec.ValidationError:
            return None

    def __repr__(self) -> str:
        """Leave the payload out, because it may hold a secret (ChangeConfiguration of AuthorizationKey)."""
        return f"<Command {self.id} {self.action} {self.status}>"


def command_id(partition: int, key: str | None = None) -> str:
    """Make a command id of the form `<partition in 2 hexadecimal digits>.<22 characters>`.

    The characters are random, or computed from `key` if it is given.
    """
    raw = secrets.token_bytes(16) if key is None else sha256(key.encode()).digest()[:16]
    return f"{partition:02x}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


def is_id(id_: str) -> bool:
    return _ID.fullmatch(id_) is not None


def is_of(id_: str, keys: ChargePointKeys) -> bool:
    return is_id(id_) and key_names.command_partition(id_) == keys.partition


def digest(action: str, payload: bytes) -> str:
    """Return a digest of action and payload that ignores spacing and the order of keys. Raises ValueError."""
    return sha256(canonical(action, payload)).hexdigest()


def canonical(action: str, payload: bytes) -> bytes:
    """Write action and payload without regard to spacing and the order of keys. Raises ValueError."""
    if _ACTION.fullmatch(action) is None:
        raise ValueError(f"{action!r} is not an action; it must have 1 to 50 letters")
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"the payload has {len(payload)} bytes; it may have at most {PAYLOAD_BYTES_MAX}")
    try:
        value = msgspec.json.decode(payload)
    except msgspec.DecodeError as bad:
        raise ValueError(f"the payload is not JSON: {bad}") from None
    return action.encode() + b" " + msgspec.json.encode(value, order="deterministic")


def read_command(id_: str, reply: Mapping[bytes, bytes] | list[bytes]) -> Command:
    found = read_fields(reply)
    tenant, charge_point = key_names.split(found["of"])
    found["payload"] = found.pop("masked", found["payload"])
    raw = {name: msgspec.Raw(found.pop(name)) for name in ("payload", "response", "error") if name in found}
    known = {"id": id_, "tenant": tenant, "charge_point": charge_point}
    return msgspec.structs.replace(msgspec.convert(found | known, Command, strict=False), **raw)
