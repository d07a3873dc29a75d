"""The meter of a charge point: what it reads while a car charges.

A car takes power along a curve: the power rises evenly, stays, and falls as the battery fills up. Between the
begin and the end of a transaction, all readings are functions of the time alone. So a reading needs nothing
but the clock, and the energy is exactly the integral of the power:

    rise    t < rise_s:   power = watts * t / rise_s
    steady  t < fall_at:  power = watts
    fall    after that:   power = watts * exp(-(t - fall_at) / fall_s)

`fall_s` is chosen so that a car that never leaves ends with a full battery.
"""

from math import exp, sin
from typing import Final, Literal

from msgspec import Struct

from gateway.ocpp16.messages.types import Measurand, Phase, ReadingContext, UnitOfMeasure
from loadtest.scenario.dice import Dice

type Outlet = Literal["ac_one_phase", "ac_three_phases", "dc"]

VOLTS: Final = 230.0
_PERIODIC: Final = b"Sample.Periodic"


class _Kind(Struct, frozen=True):
    """A kind of outlet, and how cars charge there.

    `fall_from` is the state of charge at which the power begins to fall.
    """

    template: bytes
    watts: tuple[float, ...]
    rise_s: tuple[float, float]
    fall_from: float


class _Car(Struct, frozen=True, gc=False, kw_only=True):
    """A car that charges. Energies are in Wh. `shares` are those of the phases L1 and L2 in the power."""

    began: float
    watts: float
    rise_s: float
    fall_at: float
    fall_s: float
    capacity_wh: float
    charged_wh: float
    left_wh: float
    shares: tuple[float, float]

    def power(self, at_s: float) -> float:
        past = at_s - self.began
        if past < self.rise_s:
            return self.watts * max(past, 0.0) / self.rise_s
        if past < self.fall_at:
            return self.watts
        return self.watts * exp((self.fall_at - past) / self.fall_s)

    def energy_wh(self, at_s: float) -> float:
        """Return the energy since the begin, which is the integral of the power."""
        past = at_s - self.began
        if past < self.rise_s:
            return self.watts * max(past, 0.0) ** 2 / self.rise_s / 7_200
        if past < self.fall_at:
            return self.watts * (past - self.rise_s / 2) / 3_600
        steady_wh = self.watts * (self.fall_at - self.rise_s / 2) / 3_600
        return steady_wh + self.left_wh * (1 - exp((self.fall_at - past) / self.fall_s))


class Meter:
    """The register of one outlet, which counts through all transactions, and the car that charges there.

    Times are seconds of any clock that does not go back.
    """

    __slots__ = ("_car", "_dice", "_drift", "_kind", "_register_wh")

    def __init__(self, outlet: Outlet, dice: Dice) -> None:
        self._kind = _KINDS[outlet]
        self._dice = dice
        self._drift = dice.uniform(0.0, 6.0)
        self._register_wh = dice.uniform(1_000.0, 900_000.0)
        self._car: _Car | None = None

    def begin(self, at_s: float) -> None:
        """Connect another car, which charges from now on."""
        self.end(at_s)
        kind, dice = self._kind, self._dice
        watts = kind.watts[dice.below(len(kind.watts))]
        rise_s = dice.uniform(*kind.rise_s)
        capacity_wh = dice.uniform(50_000.0, 100_000.0)
        charged_wh = capacity_wh * dice.uniform(0.1, 0.6)
        left_wh = capacity_wh * (1 - kind.fall_from)
        first = dice.uniform(0.325, 0.34)
        self._car = _Car(
            began=at_s,
            watts=watts,
            rise_s=rise_s,
            fall_at=rise_s / 2 + (capacity_wh - charged_wh - left_wh) * 3_600 / watts,
            fall_s=left_wh * 3_600 / watts,
            capacity_wh=capacity_wh,
            charged_wh=charged_wh,
            left_wh=left_wh,
            shares=(first, dice.uniform(0.325, 0.34)),
        )

    def end(self, at_s: float) -> None:
        """Disconnect the car, if there is one."""
        self._register_wh = self._register(at_s)
        self._car = None

    def energy_wh(self, at_s: float) -> int:
        """Return the register in whole Wh, as meterStart and meterStop and the samples have it."""
        return int(self._register(at_s))

    def _register(self, at_s: float) -> float:
        return self._register_wh + (self._car.energy_wh(at_s) if self._car is not None else 0.0)

    def sample(self, at_s: float, context: ReadingContext = "Sample.Periodic") -> bytes:
        """Return the JSON of a sampledValue list, of about 700 bytes while a car charges."""
        car, kind = self._car, self._kind
        if car is None:
            sample = _IDLE % self._register_wh
        else:
            charged_wh, power = car.energy_wh(at_s), car.power(at_s)
            register_wh, drift = self._register_wh + charged_wh, sin(at_s / 61 + self._drift)
            if kind is _DC:
                charge = (car.charged_wh + charged_wh) / car.capacity_wh
                volts = 350 + 60 * charge
                sample = kind.template % (register_wh, power, power / volts, volts, 100 * charge, 30 + drift)
            elif kind is _AC_ONE:
                volts = VOLTS + 2 * drift
                sample = kind.template % (register_wh, power, power / volts, volts, car.watts, 25 + drift)
            else:
                volts = VOLTS + 2 * drift
                total, (one, two) = power / volts, car.shares
                amperes = (total * one, total * two, total * (1 - one - two))
                sample = kind.template % (register_wh, power, *amperes, volts)
        return sample if context == "Sample.Periodic" else sample.replace(_PERIODIC, context.encode())


def _value(form: str, measurand: Measurand, unit: UnitOfMeasure, phase: Phase | None = None) -> str:
    phased = f'"phase":"{phase}",' if phase else ""
    return (
        f'{{"value":"{form}","context":"Sample.Periodic","format":"Raw","measurand":"{measurand}",'
        f'{phased}"location":"Outlet","unit":"{unit}"}}'
    )


def _template(*values: str) -> bytes:
    return f"[{','.join(values)}]".encode()


_ENERGY: Final = _value("%d", "Energy.Active.Import.Register", "Wh")
_POWER: Final = _value("%.1f", "Power.Active.Import", "W")
_TEMPERATURE: Final = _value("%.1f", "Temperature", "Celsius")

_IDLE: Final = _template(_ENERGY, _value("0.0", "Power.Active.Import", "W"))
_AC_ONE: Final = _Kind(
    _template(
        _ENERGY,
        _POWER,
        _value("%.2f", "Current.Import", "A", "L1"),
        _value("%.1f", "Voltage", "V", "L1-N"),
        _value("%.1f", "Power.Offered", "W"),
        _TEMPERATURE,
    ),
    (2_300.0, 3_680.0, 7_360.0),
    (5.0, 15.0),
    0.95,
)
_AC_THREE: Final = _Kind(
    _template(
        _ENERGY,
        _POWER,
        *(_value("%.2f", "Current.Import", "A", phase) for phase in ("L1", "L2", "L3")),
        _value("%.1f", "Voltage", "V"),
    ),
    (6_900.0, 11_040.0, 22_080.0),
    (5.0, 15.0),
    0.95,
)
_DC: Final = _Kind(
    _template(
        _ENERGY,
        _POWER,
        _value("%.2f", "Current.Import", "A"),
        _value("%.1f", "Voltage", "V"),
        _value("%.1f", "SoC", "Percent"),
        _TEMPERATURE,
    ),
    (50_000.0, 100_000.0, 150_000.0),
    (20.0, 60.0),
    0.8,
)
_KINDS: Final[dict[Outlet, _Kind]] = {"ac_one_phase": _AC_ONE, "ac_three_phases": _AC_THREE, "dc": _DC}
