"""What a server reports about itself with INFO."""

from state.redis.checks import read_info
from state.store import Store


async def ask_info(store: Store, section: str) -> dict[str, str]:
    return read_info(await store.execute("INFO", section))


async def count_calls(store: Store) -> dict[str, int]:
    """Return how often the server executed each command, in lower case."""
    found = await ask_info(store, "commandstats")
    return {
        name.removeprefix("cmdstat_"): int(counts.removeprefix("calls=").partition(",")[0])
        for name, counts in found.items()
    }
