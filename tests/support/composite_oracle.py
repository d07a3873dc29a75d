"""Computes the composite schedule second by second and rule by rule. It shares no code with composite.py."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from gateway.ocpp16.charging.composite import InstalledProfile, OpenTransaction
from gateway.ocpp16.messages.types import ChargingProfile

type Limit = tuple[Fraction, int] | None

EVERY = {"Daily": timedelta(hours=24), "Weekly": timedelta(days=7)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def limits(
    installed: Sequence[InstalledProfile],
    *,
    connector_id: int,
    start_ms: int,
    duration: int,
    running: Sequence[OpenTransaction],
    unit: str,
    voltage: int = 230,
) -> list[Limit]:
    """Return one limit for each second."""
    found = []
    for second in range(duration):
        now = EPOCH + timedelta(milliseconds=start_ms) + timedelta(seconds=second)
        here = _Moment(now, EPOCH + timedelta(milliseconds=start_ms), installed, running, unit, voltage)
        found.append(here.total() if connector_id == 0 else here.capped(here.of_connector(connector_id)))
    return found


class _Moment:
    def __init__(
        self,
        now: datetime,
        window: datetime,
        installed: Sequence[InstalledProfile],
        running: Sequence[OpenTransaction],
        unit: str,
        voltage: int,
    ) -> None:
        self.now, self.window, self.unit, self.voltage = now, window, unit, voltage
        self.installed, self.running = installed, running

    def total(self) -> Limit:
        each = [self.of_connector(one.connector_id) for one in self.running]
        if not each or None in each:
            return self.capped(None)
        known: list[Any] = each
        return self.capped((sum(limit for limit, _ in known), max(phases for _, phases in known)))

    def capped(self, limit: Limit) -> Limit:
        starts = [one.started_ms for one in self.running]
        since = EPOCH + timedelta(milliseconds=min(starts)) if starts else self.window
        cap = self.highest(
            [
                one
                for one in self.installed
                if one.profile.charging_profile_purpose == "ChargePointMaxProfile" and one.connector_id == 0
            ],
            since,
        )
        if cap is None or limit is None:
            return cap or limit
        if cap[0] == limit[0]:
            return (cap[0], min(cap[1], limit[1]))
        return cap if cap[0] < limit[0] else limit

    def of_connector(self, connector_id: int) -> Limit:
        transaction = next((one for one in self.running if one.connector_id == connector_id), None)
        since = self.window
        if transaction is not None:
            since = EPOCH + timedelta(milliseconds=transaction.started_ms)
            own = [one for one in self.of("TxProfile") if self.belongs(one, transaction)]
            limit = self.highest(own, since)
            if limit is not None:
                return limit
        specific = [one for one in self.of("TxDefaultProfile") if one.connector_id == connector_id]
        replaced = [one.profile.stack_level for one in specific]
        general = [
            one
            for one in self.of("TxDefaultProfile")
            if one.connector_id == 0 and one.profile.stack_level not in replaced
        ]
        return self.highest(general + specific, since)

    def of(self, purpose: str) -> list[InstalledProfile]:
        return [one for one in self.installed if one.profile.charging_profile_purpose == purpose]

    @staticmethod
    def belongs(one: InstalledProfile, transaction: OpenTransaction) -> bool:
        named = one.transaction_id if one.transaction_id is not None else one.profile.transaction_id
        if named is None:
            return one.connector_id == transaction.connector_id
        return named == transaction.transaction_id

    def highest(self, candidates: Sequence[InstalledProfile], since: datetime) -> Limit:
        best: tuple[int, Limit] | None = None
        for one in candidates:
            limit = self.of_profile(one.profile, since)
            if limit is not None and (best is None or one.profile.stack_level >= best[0]):
                best = (one.profile.stack_level, limit)
        return None if best is None else best[1]

    def of_profile(self, profile: ChargingProfile, since: datetime) -> Limit:
        if profile.valid_from is not None and self.now < _time(profile.valid_from):
            return None
        if profile.valid_to is not None and not self.now < _time(profile.valid_to):
            return None
        for base in self.bases(profile, since):
            limit = self.of_execution(profile, base)
            if limit is not None:
                return limit
        return None

    def bases(self, profile: ChargingProfile, since: datetime) -> Iterator[datetime]:
        """Yield the time at which the schedule starts.

        For a recurring schedule, yield the latest start up to now, because only this start can be running.
        """
        starts = profile.charging_schedule.start_schedule
        base = since if starts is None or profile.charging_profile_kind == "Relative" else _time(starts)
        every = EVERY.get(profile.recurrency_kind or "")
        if profile.charging_profile_kind != "Recurring" or every is None:
            yield base
            return
        while base <= self.now:
            if self.now - base < every:
                yield base
            base += every

    def of_execution(self, profile: ChargingProfile, base: datetime) -> Limit:
        schedule = profile.charging_schedule
        elapsed = self.now - base
        if elapsed < timedelta(0):
            return None
        if schedule.duration is not None and elapsed >= timedelta(seconds=schedule.duration):
            return None
        found = None
        for period in schedule.charging_schedule_period:
            begun = timedelta(seconds=period.start_period) <= elapsed
            if begun and (found is None or period.start_period >= found.start_period):
                found = period
        if found is None:
            return None
        phases = 3 if found.number_phases is None else found.number_phases
        limit = Fraction(str(found.limit))
        if schedule.charging_rate_unit == "A" and self.unit == "W":
            limit = limit * self.voltage * phases
        elif schedule.charging_rate_unit == "W" and self.unit == "A":
            limit = Fraction(int(limit * 10 / (self.voltage * phases)), 10)
        return limit, phases


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
