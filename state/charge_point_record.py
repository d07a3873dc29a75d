"""What is remembered of a charge point itself, as one hash; transactions keep their last id in it too."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from state.replies import fields

type BootStatus = Literal["Accepted", "Pending", "Rejected"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides. `strict`: no lenient repairs. `origin_allowed`: it sends an Origin."""

    description: str = ""
    strict: bool = False
    origin_allowed: bool = False


class ChargePoint(msgspec.Struct, frozen=True, kw_only=True):
    """`boot`: its last BootNotification as decoded JSON; `boot_status`: what we answered to it."""

    tenant: str
    id: str
    registered_ms: int
    auto_registered: bool = False
    description: str = ""
    strict: bool = False
    origin_allowed: bool = False
    boot: dict[str, object] | None = None
    booted_ms: int | None = None
    boot_status: BootStatus | None = None


def settings_fields(settings: Settings) -> list[str | int]:
    """Name and value by turns, as HSET takes them."""
    return [
        *("description", settings.description),
        *("strict", int(settings.strict)),
        *("origin_allowed", int(settings.origin_allowed)),
    ]


def read_record(
    tenant: str, charge_point: str, reply: Mapping[bytes, bytes] | list[bytes]
) -> ChargePoint | None:
    """None if it is not registered: facts of a deleted charge point may leave a field or two."""
    found = fields(reply)
    if "registered_ms" not in found:
        return None
    return ChargePoint(
        tenant=tenant,
        id=charge_point,
        registered_ms=int(found["registered_ms"]),
        auto_registered=found.get("auto_registered") == "1",
        description=found.get("description", ""),
        strict=found.get("strict") == "1",
        origin_allowed=found.get("origin_allowed") == "1",
        boot=msgspec.json.decode(found["boot"], type=dict[str, object]) if "boot" in found else None,
        booted_ms=int(found["booted_ms"]) if "booted_ms" in found else None,
        boot_status=msgspec.convert(found.get("boot_status"), BootStatus | None),
    )
