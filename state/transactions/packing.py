"""Packing: the meter values of finished transactions are moved into compressed blocks."""

from state.store import Store


async def pack_due(store: Store, partition: int, before_ms: int, at_most: int) -> int:
    """Pack the meter values of transactions whose stop or end csms received before a time.

    Returns how many transactions were packed, which is at most `at_most`.
    """
    raise NotImplementedError
