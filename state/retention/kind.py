"""A row of the table of keys."""

from typing import Literal, NamedTuple

type Owner = Literal["store", "node", "tenant", "partition", "charge point", "transaction", "command"]


class Kind(NamedTuple):
    """A kind of key. `ends` and `most` say when a key goes, and how much it may hold.

    `tests` are the names of tests that check `ends` and `most`.
    """

    name: str
    holds: str
    owner: Owner
    ends: str
    most: str
    tests: tuple[str, ...]
