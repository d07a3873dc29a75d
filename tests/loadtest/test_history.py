"""Generated histories agree with themselves, and each kind of planted fault is found."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.history import (
    Acknowledged,
    Comparison,
    Journal,
    Kind,
    Line,
    Sent,
    Start,
    Stop,
    Stored,
    compare,
    read_journal,
    stored_from_api,
)

FIRST_MS = 1_767_225_600_000


def at(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"2026-01-01T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}Z"


def start_of(transaction: int) -> Start:
    return Start(
        connector_id=1, id_tag="TAG", meter_start=transaction * 1000, timestamp=at(transaction * 10_000)
    )


def stop_of(transaction: int, id_: int) -> Stop:
    return Stop(
        transaction_id=id_, meter_stop=transaction * 1000 + 500, timestamp=at(transaction * 10_000 + 5_000)
    )


class History(msgspec.Struct):
    lines: list[Line]
    stored: list[Stored]

    def compare(self) -> Comparison:
        return compare(self.lines, self.stored)


@st.composite
def histories(draw: st.DrawFn, *, complete: bool = False) -> History:
    """A history without a fault: each fact is acknowledged at once, later, or never.

    In a `complete` one, the first transaction of c0 is acknowledged to its end.
    """
    found = History([], [])
    for number in range(draw(st.integers(1, 3))):
        for transaction in range(1, draw(st.integers(1, 4)) + 1):
            whole = complete and number == 0 and transaction == 1
            _draw_transaction(draw, found, f"c{number}", transaction, whole=whole)
    return found


def _draw_transaction(
    draw: st.DrawFn, found: History, charge_point: str, transaction: int, *, whole: bool
) -> None:
    id_, stop = 100 + transaction, None
    acknowledged = whole or draw(st.booleans())
    _tell(draw, found, charge_point, transaction, start_of(transaction), id_, acknowledged=acknowledged)
    if acknowledged and (whole or draw(st.booleans())):
        stopped = whole or draw(st.booleans())
        content = stop_of(transaction, id_)
        _tell(draw, found, charge_point, transaction, content, id_, acknowledged=stopped)
        stop = content if stopped or draw(st.booleans()) else None
    if acknowledged or draw(st.booleans()):
        found.stored.append(Stored(charge_point=charge_point, id=id_, start=start_of(transaction), stop=stop))


def _tell(
    draw: st.DrawFn,
    found: History,
    charge_point: str,
    transaction: int,
    content: Start | Stop,
    id_: int,
    *,
    acknowledged: bool,
) -> None:
    found.lines.append(
        Sent(charge_point=charge_point, transaction=transaction, content=content, at_ms=FIRST_MS)
    )
    if acknowledged:
        found.lines.extend(
            Acknowledged(
                charge_point=charge_point,
                transaction=transaction,
                content=content,
                id=id_,
                status="Accepted",
                transmissions=transmissions,
                sent_ms=FIRST_MS + transmissions,
                at_ms=FIRST_MS + 10,
            )
            for transmissions in range(1, draw(st.integers(1, 3)) + 1)
        )


@given(histories())
def test_a_history_in_which_every_acknowledged_fact_is_stored_once_has_no_finding(history: History) -> None:
    found = history.compare()
    assert found.findings == ()
    assert found.stored == len(history.stored)
    sent = [line for line in history.lines if isinstance(line, Sent)]
    assert found.starts + found.stops + found.unacknowledged == len(sent)


def lose_start(history: History) -> None:
    history.stored = history.stored[1:]


def lose_stop(history: History) -> None:
    history.stored[0] = msgspec.structs.replace(history.stored[0], stop=None)


def change_start(history: History) -> None:
    changed = msgspec.structs.replace(history.stored[0].start, meter_start=7)
    history.stored[0] = msgspec.structs.replace(history.stored[0], start=changed)


def change_stop(history: History) -> None:
    stop = history.stored[0].stop
    assert stop is not None
    changed = msgspec.structs.replace(stop, timestamp=at(1))
    history.stored[0] = msgspec.structs.replace(history.stored[0], stop=changed)


def store_again(history: History) -> None:
    history.stored.append(msgspec.structs.replace(history.stored[0], id=999, stop=None))


def list_twice(history: History) -> None:
    history.stored.append(history.stored[0])


def give_an_id_twice(history: History) -> None:
    _acknowledge(history, transaction=77, content=start_of(77), id_=101)


def answer_differently(history: History) -> None:
    _acknowledge(history, transaction=1, content=start_of(1), id_=101, status="Invalid")


def invent(history: History) -> None:
    history.stored.append(Stored(charge_point="c0", id=5_000, start=start_of(5_000 % 60)))


def _acknowledge(
    history: History, *, transaction: int, content: Start, id_: int, status: str = "Accepted"
) -> None:
    history.lines.append(
        Acknowledged(
            charge_point="c0",
            transaction=transaction,
            content=content,
            id=id_,
            status=status,
            transmissions=1,
            sent_ms=FIRST_MS,
            at_ms=FIRST_MS,
        )
    )


FAULTS: dict[Any, Kind] = {
    lose_start: "missing_start",
    lose_stop: "missing_stop",
    change_start: "start_differs",
    change_stop: "stop_differs",
    store_again: "stored_twice",
    list_twice: "id_twice",
    give_an_id_twice: "id_twice",
    answer_differently: "answers_differ",
    invent: "never_sent",
}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
@given(history=histories(complete=True))
def test_a_planted_fault_is_found_and_described(plant: Any, history: History) -> None:
    plant(history)
    found = history.compare()
    assert found.counts[FAULTS[plant]] >= 1
    assert f"{FAULTS[plant]}: " in found.describe(most=100)


def test_a_retried_fact_counts_as_replayed_if_the_store_had_it_before_its_last_transmission() -> None:
    history = History([], [])
    for transaction, transmissions in ((1, 1), (2, 2), (3, 2)):
        content = start_of(transaction)
        history.lines.append(Sent(charge_point="c0", transaction=transaction, content=content, at_ms=0))
        _acknowledge(history, transaction=transaction, content=content, id_=transaction)
        last = history.lines[-1]
        history.lines[-1] = msgspec.structs.replace(last, transmissions=transmissions)
        received_ms = FIRST_MS - 1 if transaction == 2 else FIRST_MS
        history.stored.append(
            Stored(charge_point="c0", id=transaction, start=content, received_ms=received_ms)
        )
    found = history.compare()
    assert (found.retried, found.replayed, found.findings) == (2, 1, ())


def test_the_same_time_in_another_notation_is_not_a_difference() -> None:
    history = History([], [])
    content = start_of(1)
    history.lines.append(Sent(charge_point="c0", transaction=1, content=content, at_ms=0))
    _acknowledge(history, transaction=1, content=content, id_=9)
    item = {
        "charge_point": "c0",
        "ocpp_transaction_id": 9,
        "connector_id": 1,
        "id_tag": "TAG",
        "started_at": content.timestamp.replace("Z", "+00:00"),
        "meter_start": 1000,
        "stopped_at": None,
        "meter_stop": None,
    }
    history.stored.append(stored_from_api(item))
    assert history.compare().findings == ()


WRITER = """
import sys
from pathlib import Path
from loadtest.history import Journal, Sent, Start
journal, number = Journal(Path(sys.argv[1])), 0
while True:
    number += 1
    start = Start(connector_id=1, id_tag="T", meter_start=number, timestamp="2026-01-01T00:00:00Z")
    journal.write(Sent(charge_point="c0", transaction=number, content=start, at_ms=0))
    print(number, flush=True)
"""


def test_a_journal_keeps_each_line_that_was_written_before_its_process_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    said += writer.stdout.readlines()
    writer.wait()
    writer.stdout.close()
    written = [line.transaction for line in read_journal(path)]
    assert written == list(range(1, len(written) + 1))
    assert len(written) >= int(said[-1] if said[-1].endswith(b"\n") else said[-2])


def test_a_torn_last_line_of_a_journal_is_left_out_and_a_damaged_line_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        for transaction in (1, 2):
            journal.write(
                Sent(charge_point="c0", transaction=transaction, content=start_of(transaction), at_ms=0)
            )
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert [line.transaction for line in read_journal(path)] == [1]
    path.write_bytes(whole[5:])
    with pytest.raises(msgspec.DecodeError):
        read_journal(path)
