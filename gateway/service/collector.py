"""How often a process looks for garbage: seldom, as what it makes for a message leaves hardly any cycles."""

import gc


def settle() -> None:
    """What was made until now stays; collect seldom from here on. Called once, before the first peer comes.

    Of a gateway's time per message this is worth a quarter (docs/measurements.md). In the admin
    process a whole collection held everybody up for 0.3 s, with a thousand requests that waited.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
