"""Every reason for a refusal has words for the operator."""

from gateway.service.refusal_words import OF_CONNECTIONS, OF_REQUESTS, WORDS, words_of
from gateway.websocket.refusals import Refused


def test_each_reason_of_the_transport_has_words() -> None:
    assert {reason.word for reason in Refused} == OF_CONNECTIONS.keys()
    assert not OF_CONNECTIONS.keys() & OF_REQUESTS.keys()


def test_the_words_are_whole_sentences_that_fit_into_a_table() -> None:
    for reason, words in WORDS.items():
        for text in words:
            assert text.endswith((".", "?")), reason
            assert "|" not in text, reason
            assert "\n" not in text, reason
    assert len({words.meaning for words in WORDS.values()}) == len(WORDS)


def test_a_reason_of_another_release_has_words_of_its_own() -> None:
    assert words_of("of_tomorrow") not in WORDS.values()
    assert words_of("wrong_token") == WORDS["wrong_token"]
