"""The record of a charge point, which is one hash.

The hash also holds the last transaction id and the trace.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from state.replies import read_fields

type BootStatus = Literal["Accepted", "Pending", "Rejected"]

REGISTRATION_INTERVAL_S = 60
"""Time after which a charge point that was not accepted sends its next BootNotification.

An operator can set another time.
"""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that an operator makes for a charge point.

    `strict` turns repairs off. `registration` is the answer to the charge point's next BootNotification. If
    the answer is Accepted, its interval is `heartbeat_interval_s` (None stands for the gateway's own
    interval). Otherwise its interval is `registration_interval_s`.
    """

    description: str = ""
    strict: bool = False
    registration: BootStatus = "Accepted"
    registration_interval_s: int = REGISTRATION_INTERVAL_S
    heartbeat_interval_s: int | None = None


class ChargePointRecord(Settings, frozen=True, kw_only=True):
    """A registered charge point.

    `boot` is the decoded payload of its last BootNotification, and `boot_status` is the status of our answer.
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
        """Whether the charge point is not accepted now, and will not be accepted at its next boot."""
        return self.registration != "Accepted" and self.boot_status != "Accepted"


class RunningTrace(msgspec.Struct, frozen=True):
    """Id and end of a charge point's trace, for the session that records it.

    `until_ms` may be in the past.
    """

    id: str
    until_ms: int


def settings_fields(settings: Settings) -> list[str | int]:
    """Return the names and values of the settings as arguments of HSET."""
    heartbeat_interval_s = settings.heartbeat_interval_s
    return [
        *("description", settings.description),
        *("strict", int(settings.strict)),
        *("registration", settings.registration),
        *("registration_interval_s", settings.registration_interval_s),
        *("heartbeat_interval_s", "" if heartbeat_interval_s is None else heartbeat_interval_s),
    ]


def read_charge_point(
    tenant: str, charge_point: str, reply: Mapping[bytes, bytes] | list[bytes]
) -> ChargePointRecord | None:
    """Read a record. None means that the charge point is not registered.

    A fact that arrives after its charge point was deleted may leave a few fields. Such fields are not a
    record.
    """
    # An empty field counts as a field that was never written.
    found = {name: text for name, text in read_fields(reply).items() if text}
    if "registered_ms" not in found:
        return None
    boot = msgspec.json.decode(found.get("boot", "null"))
    known = {"tenant": tenant, "id": charge_point, "boot": boot}
    return msgspec.convert({**found, **known}, ChargePointRecord, strict=False)


def read_running_trace(stored: str | None) -> RunningTrace | None:
    """Read the field `trace`, which is set at the start of a trace and removed at its end."""
    if stored is None:
        return None
    id_, _, until_ms = stored.partition(" ")
    return RunningTrace(id_, int(until_ms))
