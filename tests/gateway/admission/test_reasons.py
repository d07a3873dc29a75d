"""Every reason has an answer, and those of an unproven charge point cannot be told apart."""

from gateway.admission.reasons import Reason
from gateway.service.refusal_words import OF_REQUESTS

ALWAYS_UNPROVEN = {
    *("UNKNOWN_TENANT", "WRONG_TOKEN", "FOREIGN_TOKEN", "RETIRED_TOKEN", "UNPROVEN_UNKNOWN"),
    *("NO_PASSWORD", "NO_PASSWORD_SET", "MALFORMED_AUTHORIZATION", "WRONG_USER", "WRONG_PASSWORD"),
    *("NO_CERTIFICATE", "CERTIFICATE_OF_ANOTHER", "CERTIFICATE_ORGANISATION", "CERTIFICATE_REPLACED"),
    *("CERTIFICATE_REVOKED", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNREADABLE", "REVOCATION_UNKNOWN"),
}


def test_all_reasons_of_an_unproven_charge_point_have_one_status_and_one_text() -> None:
    unproven = [reason for reason in Reason if reason.name in ALWAYS_UNPROVEN]
    assert len(unproven) == len(ALWAYS_UNPROVEN)
    assert len({(reason.status, reason.text) for reason in unproven}) == 1
    assert all(reason.is_failed_authentication for reason in unproven)
    assert {reason.name for reason in Reason if reason.is_failed_authentication} == ALWAYS_UNPROVEN


def test_each_reason_has_a_meaning_of_its_own_for_the_operator() -> None:
    """Two reasons with the same row would be one member of the Enum."""
    assert [reason.word for reason in Reason] == [name.lower() for name in Reason.__members__]
    assert {reason.word for reason in Reason} == OF_REQUESTS.keys()
    assert len({words.meaning for words in OF_REQUESTS.values()}) == len(Reason.__members__)


def test_the_texts_for_the_charge_point_take_the_values_that_are_given_to_them() -> None:
    for reason in Reason:
        text = reason.text.format(*range(reason.text.count("{}")))
        assert "{" not in text
        assert text
