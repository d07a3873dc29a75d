"""The rules for charging profiles: each rule is broken once, and a good profile of each kind breaks none."""

from typing import Any

import msgspec
import pytest

from gateway.ocpp16.charging import rules
from gateway.ocpp16.charging.rules import Abilities
from gateway.ocpp16.messages.types import ChargingProfile
from tests.gateway.ocpp16.charging.charging_profiles import X, a_profile, at, cap, daily, tx

KNOWN = Abilities(
    max_stack_level=3,
    max_periods=4,
    max_installed=10,
    units=("Current",),
    switches_to_one_phase=False,
)


def check(profile: ChargingProfile, connector: int = 1, abilities: Abilities = KNOWN) -> list[str]:
    return rules.check_profile(connector, profile, abilities, X)


@pytest.mark.parametrize(
    ("profile", "connector"),
    [
        (a_profile(16, duration=60, validFrom=at(-5), validTo=at(5)), 1),
        (a_profile([(0, 16, 3), (10, 6.1, 3), (20, 0)]), 0),
        (cap(16).profile, 0),
        (tx(16, kind="Relative", transactionId=7), 2),
        (daily([(0, 6), (86_399, 16)], duration=86_400), 1),
    ],
)
def test_a_correct_charging_profile_breaks_no_rule(profile: ChargingProfile, connector: int) -> None:
    assert check(profile, connector) == []


def without_start(**more: Any) -> ChargingProfile:
    return a_profile(start=None, **more)


def relative_with_start() -> ChargingProfile:
    return msgspec.structs.replace(a_profile(), charging_profile_kind="Relative")


@pytest.mark.parametrize(
    ("profile", "connector", "word"),
    [
        (a_profile(), -1, "connectorId must not be negative"),
        (cap().profile, 1, "ChargePointMaxProfile must be for connector 0"),
        (tx(), 0, "not for connector 0"),
        (a_profile(transactionId=7), 1, "Only a TxProfile may name a transaction."),
        (a_profile(level=-1), 1, "must not be negative"),
        (a_profile(level=4), 1, "above 3, the charge point's ChargeProfileMaxStackLevel"),
        (a_profile(kind="Recurring"), 1, "needs a recurrencyKind"),
        (a_profile(recurrencyKind="Daily"), 1, "may have a recurrencyKind, and this one is Absolute"),
        (relative_with_start(), 1, "must have no startSchedule"),
        (without_start(), 1, "Without startSchedule this Absolute profile"),
        (without_start(kind="Recurring", recurrencyKind="Daily"), 1, "Without startSchedule this Recurring"),
        (a_profile(validFrom=at(-5), validTo=at(-5)), 1, "never valid"),
        (a_profile(validTo=at(0)), 1, "no longer valid"),
        (a_profile(validFrom=at(5)), 1, "valid only later"),
        (a_profile(start=5), 1, "startSchedule is in the future"),
        (a_profile(start=-60, duration=60), 1, "schedule is over"),
        (a_profile(unit="W"), 1, "unit is Power, but"),
        (a_profile(duration=0), 1, "duration must be above 0"),
        (a_profile([]), 1, "at least one period"),
        (a_profile([(n, 6) for n in range(5)]), 1, "more than 4 periods"),
        (a_profile([(1, 6)]), 1, "first startPeriod must be 0"),
        (a_profile([(0, 6), (9, 7), (9, 8)]), 1, "greater than the one before"),
        (a_profile(-0.1), 1, "limit must not be negative"),
        (a_profile(6.15), 1, "limit must have at most one decimal"),
        (a_profile([(0, 6, 4)]), 1, "must be 1, 2 or 3"),
        (a_profile([(0, 6), (9, 6, 1)]), 1, "ConnectorSwitch3to1PhaseSupported is false"),
        (a_profile([(0, 6), (60, 16)], duration=60), 1, "after the end of the duration"),
        (daily([(0, 6), (86_400, 16)]), 1, "beyond a Daily recurrence"),
        (daily(duration=86_401), 1, "beyond a Daily recurrence"),
    ],
)
def test_each_broken_rule_is_explained_in_one_sentence(
    profile: ChargingProfile, connector: int, word: str
) -> None:
    [sentence] = check(profile, connector)
    assert word in sentence
    assert sentence.endswith(".")


def test_the_minimum_charging_rate_of_a_profile_is_checked() -> None:
    schedule = msgspec.structs.replace(a_profile().charging_schedule, min_charging_rate=-0.25)
    profile = msgspec.structs.replace(a_profile(), charging_schedule=schedule)
    assert check(profile) == [
        "A minChargingRate must not be negative.",
        "A minChargingRate must have at most one decimal.",
    ]


def test_a_rule_that_many_periods_break_is_explained_in_one_sentence() -> None:
    assert len(check(a_profile([(n, -1) for n in range(4)]))) == 1


def test_rules_about_the_abilities_of_a_charge_point_are_not_checked_if_the_abilities_are_unknown() -> None:
    profile = a_profile([(n, 6, 1 + 2 * (n % 2)) for n in range(50)], level=99, unit="W")
    assert check(profile, abilities=Abilities()) == []


def test_the_profile_in_a_remote_start_must_be_a_tx_profile_without_a_transaction_id() -> None:
    def check(profile: ChargingProfile) -> list[str]:
        return rules.check_remote_start(profile, KNOWN, X)

    assert check(tx(kind="Relative")) == []
    assert len(check(tx(kind="Relative", transactionId=7))) == 1
    assert len(check(a_profile(kind="Relative"))) == 1
    assert len(check(tx(kind="Relative", level=9))) == 1
