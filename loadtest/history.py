"""What a central system acknowledged to charge points, compared with the transactions that it stored.

Charge points write each start and stop into a `Journal` before they send it for the first time, and again
with each acknowledgement. `compare` takes the lines of journals and the stored transactions, and is pure.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

type Kind = Literal[
    "missing_start",
    "missing_stop",
    "start_differs",
    "stop_differs",
    "stored_twice",
    "id_twice",
    "answers_differ",
    "never_sent",
]


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start", rename="camel"):
    """The content of a StartTransaction. A charge point never sends the same content for two transactions."""

    connector_id: int
    id_tag: str
    meter_start: int
    timestamp: str


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop", rename="camel"):
    """The content of a StopTransaction."""

    transaction_id: int
    meter_stop: int
    timestamp: str


type Content = Start | Stop


class Sent(msgspec.Struct, frozen=True, kw_only=True, tag="sent"):
    """The charge point is about to send a fact for the first time.

    `transaction` is the charge point's own number of the transaction.
    """

    charge_point: str
    transaction: int
    content: Content
    at_ms: int


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True, tag="acknowledged"):
    """The charge point got a CALLRESULT for a fact.

    `id` is the transactionId of the transaction. `status` is the idTagInfo's status, or empty.
    `transmissions` counts how often the fact was sent until then, and `sent_ms` is the time of the last
    transmission.
    """

    charge_point: str
    transaction: int
    content: Content
    id: int
    status: str
    transmissions: int
    sent_ms: int
    at_ms: int


type Line = Sent | Acknowledged
_encoder = msgspec.json.Encoder()
_NOBODY_SENT = "no charge point of this run sent; if another run has the same ids, give it its own --prefix"
_decoder = msgspec.json.Decoder[Line](Line)


class Journal:
    """A file to which lines are only appended. Each line is with the kernel before `write` returns.

    A line therefore survives the end of this process, however the process ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, line: Line) -> None:
        os.write(self._file, _encoder.encode(line) + b"\n")

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def read_journal(path: Path) -> list[Line]:
    """Return all whole lines. A last line without its end was never acknowledged to anybody.

    Raises msgspec.DecodeError if another line is damaged.
    """
    return [_decoder.decode(line) for line in path.read_bytes().split(b"\n")[:-1]]


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction as the central system has it.

    `received_ms` and `stop_received_ms` are the times of receipt by the clock of the central system. They
    are None if they are not known.
    """

    charge_point: str
    id: int
    start: Start
    stop: Stop | None = None
    received_ms: int | None = None
    stop_received_ms: int | None = None


def stored_from_api(item: Mapping[str, Any]) -> Stored:
    """Read a transaction as the admin API of csms shows it. A reading of null becomes -1."""
    stop = None
    if item["stopped_at"] is not None:
        stop = Stop(
            transaction_id=item["ocpp_transaction_id"],
            meter_stop=_number(item["meter_stop"]),
            timestamp=item["stopped_at"],
        )
    return Stored(
        charge_point=item["charge_point"],
        id=item["ocpp_transaction_id"],
        start=Start(
            connector_id=_number(item["connector_id"]),
            id_tag=item["id_tag"],
            meter_start=_number(item["meter_start"]),
            timestamp=item["started_at"],
        ),
        stop=stop,
    )


def _number(value: int | None) -> int:
    return -1 if value is None else value


class Finding(msgspec.Struct, frozen=True):
    """One contradiction between the journals and the store, in words."""

    kind: Kind
    words: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What `compare` found.

    The counts are of logical facts, however often each was sent. `retried` facts were sent more than once
    until their first acknowledgement, and `replayed` ones among them were stored by an earlier transmission.
    `unacknowledged` facts were sent and never acknowledged, and `unacknowledged_stored` ones among them are
    stored nevertheless, which is allowed.
    """

    findings: tuple[Finding, ...]
    starts: int
    stops: int
    stored: int
    retried: int
    replayed: int
    unacknowledged: int
    unacknowledged_stored: int

    @property
    def counts(self) -> Counter[Kind]:
        return Counter(finding.kind for finding in self.findings)

    def describe(self, most: int = 10) -> str:
        """Return the figures, and at most that many findings, as lines."""
        figures = (
            f"{self.starts} starts and {self.stops} stops acknowledged, {self.stored} transactions stored, "
            f"{self.retried} facts retried, {self.replayed} of them answered as replays, "
            f"{self.unacknowledged} never acknowledged ({self.unacknowledged_stored} of them stored)"
        )
        left = len(self.findings) - most
        return "\n".join(
            [
                figures,
                *(f"{found.kind}: {found.words}" for found in self.findings[:most]),
                *([f"and {left} more"] if left > 0 else []),
            ]
        )


type _Own = tuple[str, int]
"""A charge point and its own number of a transaction, or a charge point and a transactionId."""


def compare(journal: Iterable[Line], stored: Sequence[Stored]) -> Comparison:
    """Compare what was sent and acknowledged with what is stored.

    `journal` has the lines of all charge points of the stored transactions.
    """
    lines = list(journal)
    sent = {(line.charge_point, line.content): line for line in lines if isinstance(line, Sent)}
    first: dict[tuple[str, Content], Acknowledged] = {}
    for line in lines:
        if isinstance(line, Acknowledged):
            first.setdefault((line.charge_point, line.content), line)
    by_id: dict[_Own, list[Stored]] = defaultdict(list)
    for one in stored:
        by_id[one.charge_point, one.id].append(one)
    findings = (
        *_find_lost(first.values(), by_id),
        *_find_doubles(by_id, stored),
        *_find_contradictions([line for line in lines if isinstance(line, Acknowledged)]),
        *_find_inventions(sent, stored),
    )
    kept = {
        (one.charge_point, _exact(content)) for one in stored for content in (one.start, one.stop) if content
    }
    unacknowledged = [key for key in sent if key not in first]
    retried = [line for line in first.values() if line.transmissions > 1]
    return Comparison(
        findings=findings,
        starts=sum(isinstance(content, Start) for _, content in first),
        stops=sum(isinstance(content, Stop) for _, content in first),
        stored=len(stored),
        retried=len(retried),
        replayed=sum(_was_replayed(line, by_id) for line in retried),
        unacknowledged=len(unacknowledged),
        unacknowledged_stored=sum((name, _exact(content)) in kept for name, content in unacknowledged),
    )


def _find_lost(
    acknowledged: Iterable[Acknowledged], by_id: Mapping[_Own, Sequence[Stored]]
) -> Iterator[Finding]:
    """Find facts that were acknowledged, but are not stored, or are stored with another content."""
    for line in acknowledged:
        name, found = f"{line.charge_point}.{line.id}", by_id.get((line.charge_point, line.id))
        if isinstance(line.content, Start):
            if not found:
                yield Finding("missing_start", f"{name} was acknowledged, but is not stored")
            elif _exact(found[0].start) != _exact(line.content):
                yield Finding(
                    "start_differs", f"{name} was sent as {line.content}, but is stored as {found[0].start}"
                )
        elif not found or found[0].stop is None:
            there = "has no stop" if found else "is not stored"
            yield Finding("missing_stop", f"the stop of {name} was acknowledged, but the transaction {there}")
        elif _exact(found[0].stop) != _exact(line.content):
            yield Finding(
                "stop_differs",
                f"the stop of {name} was sent as {line.content}, but is stored as {found[0].stop}",
            )


def _find_doubles(by_id: Mapping[_Own, Sequence[Stored]], stored: Sequence[Stored]) -> Iterator[Finding]:
    for (charge_point, id_), ones in by_id.items():
        if len(ones) > 1:
            yield Finding("id_twice", f"{charge_point}.{id_} is listed {len(ones)} times")
    ids: dict[tuple[str, Content], set[int]] = defaultdict(set)
    for one in stored:
        ids[one.charge_point, _exact(one.start)].add(one.id)
    for (charge_point, content), all_ids in ids.items():
        if len(all_ids) > 1:
            numbers = ", ".join(map(str, sorted(all_ids)))
            yield Finding(
                "stored_twice", f"{charge_point} sent {content} once, and it is stored as {numbers}"
            )


def _find_contradictions(acknowledged: Sequence[Acknowledged]) -> Iterator[Finding]:
    """Find ids that stand for two transactions, and facts that got two different answers."""
    owners: dict[_Own, set[int]] = defaultdict(set)
    answers: dict[tuple[str, Content], set[tuple[int, str]]] = defaultdict(set)
    for line in acknowledged:
        owners[line.charge_point, line.id].add(line.transaction)
        answers[line.charge_point, line.content].add((line.id, line.status))
    for (charge_point, id_), transactions in owners.items():
        if len(transactions) > 1:
            numbers = ", ".join(map(str, sorted(transactions)))
            yield Finding("id_twice", f"{charge_point} got the id {id_} for its transactions {numbers}")
    for (charge_point, content), different in answers.items():
        if len(different) > 1:
            yield Finding("answers_differ", f"{charge_point} got {sorted(different)} for {content}")


def _find_inventions(sent: Iterable[tuple[str, Content]], stored: Sequence[Stored]) -> Iterator[Finding]:
    """Find stored facts that no charge point sent."""
    known = {(charge_point, _exact(content)) for charge_point, content in sent}
    for one in stored:
        if (one.charge_point, _exact(one.start)) not in known:
            yield Finding(
                "never_sent", f"{one.charge_point}.{one.id} is stored as {one.start}, which {_NOBODY_SENT}"
            )
        if one.stop is not None and (one.charge_point, _exact(one.stop)) not in known:
            yield Finding(
                "never_sent",
                f"the stop of {one.charge_point}.{one.id} is stored as {one.stop}, which {_NOBODY_SENT}",
            )


def _was_replayed(line: Acknowledged, by_id: Mapping[_Own, Sequence[Stored]]) -> bool:
    """Return whether the store had received the fact before its last transmission.

    The clocks of the charge point and of the central system must be the same.
    """
    for one in by_id.get((line.charge_point, line.id), ()):
        received_ms = one.received_ms if isinstance(line.content, Start) else one.stop_received_ms
        if received_ms is not None:
            return received_ms < line.sent_ms
    return False


def _exact(content: Content) -> Content:
    """Return the content with its time in one form, because the same time has several texts."""
    at = datetime.fromisoformat(content.timestamp)
    return msgspec.structs.replace(content, timestamp=str(int(at.timestamp() * 1000)))
