"""Features that the certificate lists with yes or no, and the tests that must pass for each yes."""

from typing import Final, NamedTuple

from tests.conformance.cases import BY_ID, CASES
from tests.conformance.recording import Outcome, Recorder, worst


class Feature(NamedTuple):
    """`proof` holds ids of cases, and names of tests that are not cases."""

    name: str
    proof: tuple[str, ...]


def _group(*groups: str) -> tuple[str, ...]:
    return tuple(case.id for case in CASES if case.group in groups)


PROFILES: Final = (
    Feature("Core", _group("Core", "Core, security part")),
    Feature("Smart Charging", _group("Smart Charging")),
    Feature("Advanced Security", _group("Advanced Security")),
)
FEATURES: Final = (
    Feature("Local Authorization List Management", _group("Local authorisation list")),
    Feature("Reservation", _group("Reservation")),
    Feature("C-11: Security Profile 1, Unsecured Transport with Basic Authentication", ("TC_073", "TC_085")),
    Feature("Security Profile 2, TLS with Basic Authentication", ("TC_073", "TC_085", "TC_086")),
    Feature("Security Profile 3, TLS with Client Side Certificates", ("TC_074", "TC_077", "TC_087")),
    Feature(
        "AQ-10: Can your CSMS be configured to first respond to a BootNotificationRequest with status "
        "Pending or Rejected?",
        (
            "test_a_charge_point_is_pending_at_first_and_is_served_after_an_operator_accepts_it",
            "test_a_charge_point_is_rejected_at_first_and_is_served_after_an_operator_accepts_it",
            "test_a_charge_point_that_has_been_accepted_is_served_again_after_it_reconnects",
        ),
    ),
)


def judge(feature: Feature, recorder: Recorder) -> Outcome:
    """Return the worst outcome among the proofs, with the names and reasons of the proofs that have this
    outcome.
    """
    found = {name: _of(name, recorder) for name in feature.proof}
    word = worst(found.values()).word
    reasons: dict[str, list[str]] = {}
    for name, outcome in found.items():
        if outcome.word == word and outcome.why:
            reasons.setdefault(outcome.why, []).append(name)
    return Outcome(word, "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items()))


def _of(name: str, recorder: Recorder) -> Outcome:
    case = BY_ID.get(name)
    return recorder.of_test(name) if case is None else recorder.of_case(case)


def tests_named() -> list[str]:
    """Return the proofs that are not cases."""
    return [name for feature in (*PROFILES, *FEATURES) for name in feature.proof if name not in BY_ID]
