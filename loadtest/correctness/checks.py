"""What is checked of each answer during a run, in the process of its charge point.

A violation is something that no central system may do, whatever its load. `Checks` keeps the first violations
of each kind in words, and the exact number of all. Texts of the central system are shown shortened and
quoted, because the central system may send anything.
"""

from collections import Counter
from collections.abc import Callable, Container
from math import inf, log

import msgspec

from gateway.ocpp16.errors import shorten
from gateway.ocpp16.messages.types import Integer
from loadtest.correctness.notes import Notes
from loadtest.correctness.schemas import find_fault
from loadtest.correctness.violations import Violations
from loadtest.results import Found, Violation
from loadtest.scenario.dice import Dice

_FIRST = 20
"""Answers to each action whose schema is always checked, so that rare actions are checked at all."""
_NEVER = 1 << 62
_IDS_MAX = 250_000
_CHARACTERS = 100
_NUMBER_DIGITS = 16


class _Started(msgspec.Struct, gc=False):
    transactionId: Integer | None = None  # noqa: N815  the wire's name; renaming would cost time


_read_started = msgspec.json.Decoder(_Started).decode


class Checks:
    """The checks of one process.

    `counts` has the exact number of violations of each kind. `late` counts answers that came after their
    charge point had given up waiting, which a slow central system may send. `checked` counts answers whose
    schema was checked.
    """

    __slots__ = (
        "_always",
        "_charge_point_id",
        "_charge_points",
        "_dice",
        "_faulty",
        "_first",
        "_found",
        "_ids",
        "_logarithm",
        "_notes",
        "_now",
        "_older_ids",
        "_until_check",
        "checked",
        "late",
    )

    def __init__(
        self,
        dice: Dice,
        schemas_share: float,
        *,
        charge_points: int,
        charge_point_id: Callable[[int], str],
        faulty: Container[str],
        now: Callable[[], float],
        notes: Notes,
    ) -> None:
        """Check the schemas of a share of the answers.

        `charge_points` is the number of charge points of the whole run, and `charge_point_id` returns the id
        of one of them. A CALLERROR is a right answer to a charge point that is `faulty`. `now` returns the
        seconds since the begin of the run.
        """
        self.late = 0
        self.checked = 0
        self._charge_points = charge_points
        self._charge_point_id = charge_point_id
        self._faulty = faulty
        self._now = now
        self._notes = notes
        self._dice = dice
        self._always = _FIRST if schemas_share else 0
        self._logarithm = log(1 - schemas_share) if schemas_share < 1 else -inf
        self._found = Violations()
        self._first: dict[str, int] = {}
        self._until_check = self._draw()
        self._ids: set[int] = set()
        self._older_ids: set[int] = set()

    @property
    def violations(self) -> list[Found]:
        return self._found.shown

    @property
    def counts(self) -> Counter[str]:
        return self._found.counts

    def answer(self, charge_point: str, message_id: str, action: str, payload: bytes) -> None:
        """Check a CALLRESULT for the call that waits."""
        self._until_check -= 1
        first = self._first.get(action, 0)
        if first < self._always or self._until_check < 0:
            self._check_schema(charge_point, message_id, action, payload, first)
        if action == "StartTransaction":
            self._check_id(charge_point, payload)

    def unmatched(self, charge_point: str, message_id: str) -> None:
        """Check an answer for which the charge point does not wait."""
        owner = self._find_owner(message_id)
        if owner is None:
            self._add(
                "unknown_id",
                f"{charge_point} got an answer with the id {_quote(message_id)}, which no call had",
            )
        elif owner == charge_point:
            self.late += 1
        else:
            self._add("wrong_charge_point", f"{charge_point} got the answer to call {message_id} of {owner}")

    def error(self, charge_point: str, action: str, code: str, description: str) -> None:
        """Record a CALLERROR."""
        if charge_point not in self._faulty:
            self._add(
                "unexpected_error", f"{charge_point} got {_quote(code)} for {action}: {_quote(description)}"
            )

    def command_received(self, charge_point: str, message_id: str, action: str) -> None:
        """Note a CALL of the central system."""
        self._notes.command(charge_point, message_id, action)

    def value_sent(self, charge_point: str, transaction: int, timestamp: str) -> None:
        """Note acknowledged meter values of a transaction."""
        self._notes.value(charge_point, transaction, timestamp)

    def _check_schema(
        self, charge_point: str, message_id: str, action: str, payload: bytes, first: int
    ) -> None:
        self._first[action] = first + 1
        if self._until_check < 0:
            self._until_check = self._draw()
        self.checked += 1
        fault = find_fault(action, payload)
        if fault is not None:
            self._add(
                "invalid_answer", f"{charge_point} got an answer to {action} {message_id}: {_quote(fault)}"
            )

    def _draw(self) -> int:
        """Return how many answers are not checked before the next one that is."""
        return int(log(1 - self._dice.random()) / self._logarithm) if self._logarithm else _NEVER

    def _check_id(self, charge_point: str, payload: bytes) -> None:
        """Find an id that a charge point got for two transactions.

        Only hashes of the latest ids are kept. The history after the run compares all of them.
        """
        try:
            id_ = _read_started(payload).transactionId
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            id_ = None
        if id_ is None:
            self._add("invalid_answer", f"{charge_point} got an answer to StartTransaction without an id")
            return
        key = hash((charge_point, id_))
        if key in self._ids or key in self._older_ids:
            self._add("id_twice", f"{charge_point} got the id {id_} for two transactions")
        self._ids.add(key)
        if len(self._ids) >= _IDS_MAX:
            self._older_ids, self._ids = self._ids, set()

    def _find_owner(self, message_id: str) -> str | None:
        """Return the id of the charge point that makes message ids like this one, or None."""
        index, _, number = message_id.partition("-")
        if not all(0 < len(part) <= _NUMBER_DIGITS for part in (index, number)):
            return None
        try:
            owner, count = int(index, 16), int(number, 16)
        except ValueError:
            return None
        if f"{owner:x}-{count:x}" != message_id or owner >= self._charge_points:
            return None
        return self._charge_point_id(owner)

    def _add(self, kind: Violation, words: str) -> None:
        self._found.add(kind, words, self._now())


def _quote(text: str) -> str:
    """Quote a text that the central system made up, so that it can neither flood nor steer a terminal."""
    return ascii(shorten(text, _CHARACTERS))
