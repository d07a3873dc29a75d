"""Every key that a test leaves in the store must have a row in the table of state/retention."""

import re

from state.partition_tags import TAGS
from state.retention import KINDS
from state.store import Store

_ROWS = {kind.name for kinds in KINDS.values() for kind in kinds}
_KEY = re.compile(r"(?:\{([0-9a-z]+)\}|csms):([a-z-]+)(?::.*)?", re.DOTALL)


def kind_of(key: str) -> str | None:
    """Return the kind of a key, or None if csms does not make keys of this form."""
    found = _KEY.fullmatch(key)
    return found[2] if found and (found[1] is None or found[1] in TAGS) else None


async def find_unowned(store: Store) -> set[str]:
    """Return the kinds of keys in the store that have no row."""
    found = {kind_of(key.decode(errors="replace")) for key in await store.execute("KEYS", "*")}
    return {kind for kind in found if kind is not None} - _ROWS
