"""Lets Python collect garbage seldom, because a message leaves hardly any reference cycles."""

import gc


def settle() -> None:
    """Freeze the objects made until now, and collect seldom from here on. Call it before the first peer.

    Of a gateway's time per message this is worth a quarter (docs/measurements.md). In the admin
    process, a whole collection stopped all work for 0.3 s while a thousand requests waited.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
