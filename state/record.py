"""What is remembered of a charge point itself, as one hash; transactions keep their last id in it too."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from state.replies import read_fields

type BootStatus = Literal["Accepted", "Pending", "Rejected"]

REGISTRATION_INTERVAL_S = 60
"""How soon a charge point that was held back asks again, if nobody said otherwise."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides. `strict`: no repairs. `origin_allowed`: it sends an Origin.

    `registration` is the policy: what its next BootNotification is answered, with `registration_interval_s`
    while that is not Accepted; else with `heartbeat_interval_s` (None: as the gateway is configured).
    """

    description: str = ""
    strict: bool = False
    origin_allowed: bool = False
    registration: BootStatus = "Accepted"
    registration_interval_s: int = REGISTRATION_INTERVAL_S
    heartbeat_interval_s: int | None = None


class ChargePointRecord(Settings, frozen=True, kw_only=True):
    """`boot`: its last BootNotification as decoded JSON; `boot_status`: what we answered to it."""

    tenant: str
    id: str
    registered_ms: int
    auto_registered: bool = False
    boot: dict[str, object] | None = None
    booted_ms: int | None = None
    boot_status: BootStatus | None = None

    @property
    def awaiting_release(self) -> bool:
        """Whether it is held back, and will be at its next boot too."""
        return self.registration != "Accepted" and self.boot_status != "Accepted"


class RunningTrace(msgspec.Struct, frozen=True):
    """What a session must know of its charge point's trace to record it. It may be over by its time."""

    id: str
    until_ms: int


def settings_fields(settings: Settings) -> list[str | int]:
    """Name and value by turns, as HSET takes them."""
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
    """None if it is not registered: facts of a deleted charge point may leave a field or two."""
    # An empty field is as one that was never written.
    found = {name: text for name, text in read_fields(reply).items() if text}
    if "registered_ms" not in found:
        return None
    boot = msgspec.json.decode(found.get("boot", "null"))
    known = {"tenant": tenant, "id": charge_point, "boot": boot}
    return msgspec.convert({**found, **known}, ChargePointRecord, strict=False)


def read_running_trace(stored: str | None) -> RunningTrace | None:
    """Read the field `trace`, which a trace's start sets and its end clears."""
    if stored is None:
        return None
    id_, _, until_ms = stored.partition(" ")
    return RunningTrace(id_, int(until_ms))
