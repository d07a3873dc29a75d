"""The check value of the pepper, by which a process notices at its start that it has the wrong pepper.

With a wrong pepper, a process would refuse every token, password and API key, and would make tokens that no
other process accepts. The value is in the meta record. A store that an older release made gets the value from
the first process that checks its pepper.
"""

from contextlib import suppress

from state import keys
from state.errors import StoreRefused, StoreUnavailable
from state.store import Store
from state.tenants import credentials

FIELD = "pepper_check"
_TEXT = "the check value of the pepper"


def is_right(pepper: bytes, known: bytes) -> bool:
    """Compare a pepper with the check value of a store, the field FIELD of the meta record."""
    return credentials.matches(pepper, _TEXT, known)


async def check(store: Store, pepper: bytes) -> None:
    """Compare the pepper with that of the store. Raises StoreRefused or StoreUnavailable."""
    known, own = await store.execute("HGET", keys.META, FIELD), credentials.digest(pepper, _TEXT)
    if known is None:
        # A store that accepts no writes now gets the value at a later start.
        with suppress(StoreUnavailable):
            await store.execute("HSETNX", keys.META, FIELD, own)
        known = await store.execute("HGET", keys.META, FIELD)
    if known not in {None, own}:
        raise StoreRefused(
            "security.pepper is not the pepper with which the tokens and API keys in this store were made;"
            " give this process the pepper of the other processes. If you changed the pepper on purpose, run"
            " csms store accept-pepper, and make new tokens and API keys"
        )


async def accept(store: Store, pepper: bytes) -> bool:
    """Make this pepper the right one. Returns False if it already is."""
    own = credentials.digest(pepper, _TEXT)
    if await store.execute("HGET", keys.META, FIELD) == own:
        return False
    await store.execute("HSET", keys.META, FIELD, own)
    return True
