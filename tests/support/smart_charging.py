"""Smart charging in a charge point without faults. It stores profiles and answers calls by code of its own.

This module shares only the message types with the product. The composite schedule comes from the oracle of
the tests.
"""

import time
from itertools import groupby
from typing import Any

import msgspec

from gateway.ocpp16.charging.composite import InstalledProfile, OpenTransaction
from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages.types import ChargingProfile
from tests.support import composite_oracle


class SmartCharging:
    """A peer calls `serve`. The test calls `began` and `ended` for transactions."""

    def __init__(self) -> None:
        self.profiles: list[tuple[int, dict[str, Any]]] = []
        self.running: dict[int, OpenTransaction] = {}
        self._for_next: dict[str, Any] | None = None

    def serve(self, action: str, payload: Any) -> Any:
        match action:
            case "SetChargingProfile":
                return self._set(payload["connectorId"], payload["csChargingProfiles"])
            case "ClearChargingProfile":
                return self._clear(payload)
            case "GetCompositeSchedule":
                return self._composite(payload)
            case "RemoteStartTransaction":
                self._for_next = payload.get("chargingProfile")
                return {"status": "Accepted"}
        return ["NotImplemented", action, {}]

    def began(self, connector: int, transaction_id: int, timestamp: str) -> None:
        started_ms = timestamps.parse(timestamp).ms or 0
        self.running[connector] = OpenTransaction(connector, transaction_id, started_ms)
        if self._for_next is not None:
            self._set(connector, self._for_next)
            self._for_next = None

    def ended(self, connector: int) -> None:
        del self.running[connector]
        self.profiles = [
            (on, one)
            for on, one in self.profiles
            if on != connector or one["chargingProfilePurpose"] != "TxProfile"
        ]

    def _set(self, connector: int, profile: dict[str, Any]) -> Any:
        if profile["chargingProfilePurpose"] == "TxProfile" and connector not in self.running:
            return {"status": "Rejected"}
        self.profiles = [
            (on, one)
            for on, one in self.profiles
            if one["chargingProfileId"] != profile["chargingProfileId"]
            and (on, one["chargingProfilePurpose"], one["stackLevel"])
            != (connector, profile["chargingProfilePurpose"], profile["stackLevel"])
        ]
        self.profiles.append((connector, profile))
        return {"status": "Accepted"}

    def _clear(self, asked: dict[str, Any]) -> Any:
        def meant(on: int, one: dict[str, Any]) -> bool:
            if "id" in asked:
                return bool(one["chargingProfileId"] == asked["id"])
            return all(
                asked.get(name, value) == value
                for name, value in (
                    ("connectorId", on),
                    ("chargingProfilePurpose", one["chargingProfilePurpose"]),
                    ("stackLevel", one["stackLevel"]),
                )
            )

        kept = [(on, one) for on, one in self.profiles if not meant(on, one)]
        found, self.profiles = len(kept) < len(self.profiles), kept
        return {"status": "Accepted" if found else "Unknown"}

    def _composite(self, asked: dict[str, Any]) -> Any:
        start_ms = time.time_ns() // 1_000_000
        unit = asked.get("chargingRateUnit", "A")
        limits = composite_oracle.limits(
            [InstalledProfile(on, msgspec.convert(one, ChargingProfile)) for on, one in self.profiles],
            connector_id=asked["connectorId"],
            start_ms=start_ms,
            duration=asked["duration"],
            running=list(self.running.values()),
            unit=unit,
        )
        answer = {
            "status": "Accepted",
            "connectorId": asked["connectorId"],
            "scheduleStart": timestamps.format_ms(start_ms),
        }
        if not any(limits):
            return answer
        hardware = 32.0 if unit == "A" else 22000.0
        periods = []
        for limit, seconds in groupby(range(len(limits)), key=lambda second: limits[second]):
            rate = (
                {"limit": hardware} if limit is None else {"limit": float(limit[0]), "numberPhases": limit[1]}
            )
            periods.append({"startPeriod": next(iter(seconds))} | rate)
        schedule = {
            "duration": asked["duration"],
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        }
        return answer | {"chargingSchedule": schedule}
