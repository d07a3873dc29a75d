"""The parts of a repaired fact that are stored beside it, as the charge point sent them."""

from typing import Any, NamedTuple

import msgspec

from state import ids


class AsSent(NamedTuple):
    """What a fact does not show after it was repaired.

    `fields` is a JSON object of the repaired and the unreadable fields as sent, or None if there are none.
    `mark` identifies the whole payload as sent. It is empty if all required fields were readable.
    """

    fields: bytes | None = None
    mark: str = ""


NOTHING_REPAIRED = AsSent()


def read_as_sent(fields: bytes, payload: bytes) -> AsSent:
    """Return what is stored of a repaired fact. `payload` is empty if all required fields were readable."""
    return AsSent(None if fields == b"{}" else fields, ids.digest(payload) if payload else "")


def fingerprint(facts: tuple[Any, ...], mark: str) -> str:
    """Return 16 characters that identify a fact among those of its charge point, and are safe in keys.

    The facts alone identify it. If one of them was unreadable, the whole payload counts too, because
    different facts would look alike otherwise.
    """
    return ids.digest(msgspec.json.encode((*facts, mark) if mark else facts))
