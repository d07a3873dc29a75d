from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.correctness import checks as module
from loadtest.correctness.checks import Checks
from loadtest.correctness.notes import Notes, read_notes
from loadtest.scenario.dice import Dice

GOOD = b'{"currentTime":"2026-01-31T12:00:00Z"}'
BAD = b'{"currentTime":7}'


class Bench:
    """Makes checks of a run with 40 charge points whose ids are CP-0 to CP-39, at 12.3456 s."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes = Notes(path)

    def checks(self, share: float = 0.0) -> Checks:
        return Checks(
            Dice(1, 0, "schemas"),
            share,
            charge_points=40,
            charge_point_id="CP-{}".format,
            faulty={"CP-9"},
            now=lambda: 12.3456,
            notes=self.notes,
        )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    found = Bench(tmp_path_factory.mktemp("checks") / "notes")
    with found.notes:
        yield found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path / "notes")
    with found.notes:
        yield found


def started(id_: int) -> bytes:
    return b'{"idTagInfo":{"status":"Accepted"},"transactionId":%d}' % id_


def test_good_answers_are_no_violation(bench: Bench) -> None:
    checks = bench.checks(1.0)
    checks.answer("CP-1", "1-1", "Heartbeat", GOOD)
    checks.answer("CP-1", "1-2", "StartTransaction", started(7))
    checks.answer("CP-1", "1-3", "StartTransaction", started(8))
    checks.answer("CP-2", "2-1", "StartTransaction", started(7))
    assert (checks.violations, checks.counts, checks.checked) == ([], {}, 4)


def test_an_id_that_a_charge_point_got_twice_is_found(bench: Bench) -> None:
    checks = bench.checks()
    checks.answer("CP-1", "1-1", "StartTransaction", started(7))
    checks.answer("CP-1", "1-2", "StartTransaction", started(7))
    [found] = checks.violations
    assert (found.kind, found.words) == ("id_twice", "CP-1 got the id 7 for two transactions")
    assert found.at == 12.346
    assert checks.counts == {"id_twice": 1}


def test_the_ids_that_are_remembered_are_bounded_and_the_latest_ones_are_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_IDS_MAX", 10)
    checks = bench.checks()
    for id_ in range(35):
        checks.answer("CP-1", f"1-{id_:x}", "StartTransaction", started(id_))
    for id_ in (34, 29, 21, 20):
        checks.answer("CP-1", "1-fff", "StartTransaction", started(id_))
    assert checks.counts == {"id_twice": 4}
    checks.answer("CP-1", "1-fff", "StartTransaction", started(5))
    assert checks.counts == {"id_twice": 4}


@pytest.mark.parametrize(
    "payload", [b"{}", b"7", b"{", b"", b'{"transactionId":"7"}', b'{"transactionId":1%s}' % (b"0" * 30)]
)
def test_a_start_without_an_id_is_found_even_if_no_schema_is_checked(bench: Bench, payload: bytes) -> None:
    checks = bench.checks()
    checks.answer("CP-1", "1-1", "StartTransaction", payload)
    assert checks.counts == {"invalid_answer": 1}


def test_the_answer_to_the_call_of_another_charge_point_is_found(bench: Bench) -> None:
    checks = bench.checks()
    checks.unmatched("CP-1", "1f-2a")
    [found] = checks.violations
    assert found.kind == "wrong_charge_point"
    assert found.words == "CP-1 got the answer to call 1f-2a of CP-31"


def test_an_answer_to_a_call_of_its_own_that_comes_too_late_is_counted_and_is_no_violation(
    bench: Bench,
) -> None:
    checks = bench.checks()
    checks.unmatched("CP-31", "1f-2a")
    assert (checks.counts, checks.late) == ({}, 1)


@pytest.mark.parametrize(
    "id_",
    ["", "-", "1", "1-", "-1", "28-1", "01-1", "1F-2", "0x1-1", "1-1-1", " 1-1", "1-é", "1_0-1", "f" * 99],
)
def test_an_answer_with_an_id_that_no_call_had_is_found(bench: Bench, id_: str) -> None:
    checks = bench.checks()
    checks.unmatched("CP-1", id_)
    assert checks.counts == {"unknown_id": 1}
    assert checks.violations[0].words.isprintable()


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_no_message_id_makes_the_check_raise(shared: Bench, id_: str) -> None:
    checks = shared.checks()
    checks.unmatched("CP-1", id_)
    assert checks.counts.total() + checks.late == 1


def test_an_error_is_found_and_its_words_can_neither_flood_nor_steer_a_terminal(bench: Bench) -> None:
    checks = bench.checks()
    checks.error("CP-1", "Heartbeat", "InternalError", "\x1b[2J" + "x" * 100_000)
    [found] = checks.violations
    assert found.kind == "unexpected_error"
    assert found.words.startswith("CP-1 got 'InternalError' for Heartbeat: '\\x1b[2J")
    assert found.words.isprintable()
    assert len(found.words) < 300


def test_an_error_for_a_charge_point_that_shows_faults_is_no_violation(bench: Bench) -> None:
    checks = bench.checks()
    checks.error("CP-9", "Heartbeat", "FormationViolation", "")
    assert checks.counts == {}


def test_a_wrong_answer_is_found_among_the_first_of_its_action_whatever_the_share(bench: Bench) -> None:
    checks = bench.checks(1e-9)
    for number in range(1_000):
        checks.answer("CP-1", f"1-{number:x}", "Heartbeat", GOOD)
    checks.answer("CP-1", "1-fff", "Authorize", b'{"idTagInfo":{"status":"Perhaps"}}')
    [found] = checks.violations
    assert found.kind == "invalid_answer"
    assert found.words.startswith('CP-1 got an answer to Authorize 1-fff: \'idTagInfo.status: "Perhaps" is')
    assert checks.checked == 21


def test_all_answers_are_checked_if_the_share_is_one_and_none_if_it_is_zero(bench: Bench) -> None:
    for share, expected in ((1.0, 1_000), (0.0, 0)):
        checks = bench.checks(share)
        for number in range(1_000):
            checks.answer("CP-1", f"1-{number:x}", "Heartbeat", BAD)
        assert checks.counts.total() == checks.checked == expected


def test_the_share_of_the_answers_is_checked_and_the_same_answers_in_each_run(bench: Bench) -> None:
    def run() -> list[str]:
        checks = bench.checks(0.05)
        for number in range(20_000):
            checks.answer("CP-1", f"1-{number:x}", "Heartbeat", GOOD if number < 19_000 else BAD)
        assert 850 < checks.checked < 1_150
        return [found.words for found in checks.violations]

    first = run()
    assert len(first) > 20
    assert first == run()


def test_the_first_violations_of_each_kind_are_shown_and_all_are_counted(bench: Bench) -> None:
    checks = bench.checks()
    for _ in range(1_000):
        checks.unmatched("CP-1", "2-1")
        checks.unmatched("CP-1", "?")
    checks.error("CP-1", "Heartbeat", "GenericError", "")
    assert checks.counts == {"wrong_charge_point": 1_000, "unknown_id": 1_000, "unexpected_error": 1}
    assert len(checks.violations) == 101


def test_values_and_commands_are_noted_in_the_file(bench: Bench) -> None:
    checks = bench.checks()
    checks.value_sent("CP-1", 7, "1970-01-01T00:00:00.012Z")
    checks.command_received("CP-2", "c-1", "Reset")
    bench.notes.close()
    noted = read_notes([bench.path])
    assert noted.values == {("CP-1", 7): {12}}
    assert noted.commands == {("CP-2", "c-1")}
