"""A store that reports how full it is, without being full."""

from state import keys
from state.redis.headroom import Headroom, Level, write_disk
from state.store import Store
from tests.support.waiting import until


async def pretend(store: Store, level: Level) -> None:
    """Report the level in the place of an embedded server's supervisor, and wait until csms has read it."""
    await store.execute("SET", keys.DISK, write_disk(Headroom(level, 95 << 20, 100 << 20, "disk")))

    def has_read() -> bool:
        store.headroom_watch.look_soon()
        return store.headroom.level == level

    await until(has_read, every_s=0.1)
