"""The fleet for which a system is sized, and how often it does what."""

from msgspec import Struct

_DAY_S = 86_400
_DAY_MINUTES = 1_440


class Fleet(Struct, frozen=True, kw_only=True):
    """`peak` is how many times as busy the busiest hour is as the average hour."""

    charge_points: int
    transactions_a_day: float = 3.0
    transaction_minutes: float = 120.0
    meter_values_every: float = 60.0
    heartbeat: float = 300.0
    reconnect_within: float = 120.0
    peak: float = 3.0
    zones: int = 3
    tenants: int = 10
    hot_hours: float = 48.0
    fsync_ms: float = 1.0

    @property
    def messages(self) -> float:
        """Return the number of MeterValues of a transaction."""
        return self.transaction_minutes * 60 / self.meter_values_every

    @property
    def transactions_per_s(self) -> float:
        return self.charge_points * self.transactions_a_day / _DAY_S

    @property
    def charging(self) -> float:
        """Return the number of charge points that charge in the busiest hour."""
        share = self.transactions_a_day * self.transaction_minutes / _DAY_MINUTES * self.peak
        return self.charge_points * min(1.0, share)

    @property
    def starts_per_s(self) -> float:
        return self.transactions_per_s * self.peak

    @property
    def values_per_s(self) -> float:
        return self.charging / self.meter_values_every

    @property
    def heartbeats_per_s(self) -> float:
        return self.charge_points / self.heartbeat

    @property
    def reconnects_per_s(self) -> float:
        """Return the rate in a storm, in which all charge points come back."""
        return self.charge_points / self.reconnect_within
