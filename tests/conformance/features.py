"""What the certificate says yes or no to, each derived from the cases and tests that prove it."""

from typing import Final, NamedTuple

from tests.conformance.cases import CASES, case_of
from tests.conformance.recording import Outcome, Recorder, worst


class Feature(NamedTuple):
    """`proof`: ids of cases, and names of tests that are no case."""

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
        ("test_pending_first", "test_rejected_first", "test_accepted_survives_a_reconnection"),
    ),
)


def judge(feature: Feature, recorder: Recorder) -> Outcome:
    """The worst of its proofs, each skip and failure with what it is."""
    found = []
    for name in feature.proof:
        cases = [case for case in CASES if case.id == name]
        outcome = recorder.of_case(cases[0]) if cases else recorder.of_test(name)
        found.append(Outcome(outcome.word, f"{name}: {outcome.why}" if outcome.why else ""))
    return worst(found)


def tests_named() -> list[str]:
    """The proofs that are no case."""
    ids = {case.id for case in CASES}
    proofs = (name for feature in (*PROFILES, *FEATURES) for name in feature.proof)
    return [name for name in proofs if name not in ids and case_of(name) is None]
