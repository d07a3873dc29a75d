"""The record of a charge point, which is one hash.

The hash also holds the last transaction id and the trace.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from state.replies import read_fields

type BootStatus = Literal["Accepted", "Pending", "Rejected"]

REGISTRATION_INTERVAL_S = 60
"""Time after which a charge point that was not accepted asks again, unless an operator sets another."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that an operator makes for a charge point.

    `strict` turns repairs off. `origin_allowed` lets the charge point send an Origin header. `registration`
    is the answer to its next BootNotification. The interval in that answer is `heartbeat_interval_s` if it is
    Accepted (None stands for the gateway's own interval), or else `registration_interval_s`.
    """

    description: str = ""
    strict: bool = False
    origin_allowed: bool = False
    registration: BootStatus = "Accepted"
    registration_interval_s: int = REGISTRATION_INTERVAL_S
    heartbeat_interval_s: int | None = None


class ChargePointRecord(Settings, frozen=True, kw_only=True):
    """A registered charge point.

    `boot` is its last BootNotification, decoded; `boot_status` was our answer.
    """

    tenant: str
    id: str
    registered_ms: int
    auto_registered: bool = False
    boot: dict[str, object] | None = None
    booted_ms: int | None = None
    boot_status: BootStatus | None = None

    @property
    def awaiting_release(self) -> bool:
        """Whether the charge point is not accepted now, and will not be at its next boot either."""
        return self.registration != "Accepted" and self.boot_status != "Accepted"


class RunningTrace(msgspec.Struct, frozen=True):
    """A charge point's trace, as far as its session needs it to record. `until_ms` may be in the past."""

    id: str
    until_ms: int


def settings_fields(settings: Settings) -> list[str | int]:
    """Return names and values in alternation, as HSET takes them."""
    heartbeat_interval_s = settings.heartbeat_interval_s
    return [
        *("description", settings.description),
        *("strict", int(settings.strict)),
        *("origin_allowed", int(settings.origin_allowed)),
        *("registration", settings.registration),
        *("registration_interval_s", settings.registration_interval_s),
        *("heartbeat_interval_s", "" if heartbeat_interval_s is None else heartbeat_interval_s),
    ]


def read_charge_point(
    tenant: str, charge_point: str, reply: Mapping[bytes, bytes] | list[bytes]
) -> ChargePointRecord | None:
    """Read a record. None means that the charge point is not registered.

    A late fact of a deleted charge point may leave a field or two, which make no record.
    """
    # An empty field counts as one that was never written.
    found = {name: text for name, text in read_fields(reply).items() if text}
    if "registered_ms" not in found:
        return None
    boot = msgspec.json.decode(found.get("boot", "null"))
    known = {"tenant": tenant, "id": charge_point, "boot": boot}
    return msgspec.convert({**found, **known}, ChargePointRecord, strict=False)


def read_running_trace(stored: str | None) -> RunningTrace | None:
    """Read the field `trace`, which the start of a trace sets and its end clears."""
    if stored is None:
        return None
    id_, _, until_ms = stored.partition(" ")
    return RunningTrace(id_, int(until_ms))
