"""How far a batch has come, as the process that works on it knows it."""

from math import ceil

from admin.batches.outcomes import Result
from state.batches import items, working
from state.batches.batches import Batch, Unended
from state.batches.items import BLOCK, Block
from state.batches.working import Advanced
from state.store import Store


class Progress:
    """The items that were begun, and the counts. Outcomes are stored together, and not one by one.

    An outcome that is lost because the process dies can be read from its command again.
    """

    def __init__(self, store: Store, batch: Batch, runner: str) -> None:
        self.phase: Unended = "cancelling" if batch.phase == "cancelling" else "running"
        self.counts = batch.counts
        self.next = self.reserved = batch.reserved
        """The position of the next item to begin, and the number of items that may be begun."""
        self._store, self._batch, self._runner = store, batch, runner
        self._blocks: dict[int, Block] = {}
        """Blocks with items that were begun and have no outcome."""
        self._changed: set[int] = set()

    async def read_open(self) -> list[int]:
        """Return the positions of the items that may have been sent, and have no outcome."""
        found = list[int]()
        for number in range(ceil(self.next / BLOCK)):
            block = await items.read_block(self._store, self._batch.keys, number)
            begun = block[: self.next - number * BLOCK]
            open_ = [at for at, item in enumerate(begun, number * BLOCK) if item.outcome is None]
            if open_:
                self._blocks[number] = block
                found += open_
        return found

    def has_read_next(self) -> bool:
        return self.next // BLOCK in self._blocks

    async def read_next(self) -> None:
        """Read the block of the next item. Raises StoreUnavailable."""
        number = self.next // BLOCK
        self._blocks[number] = await items.read_block(self._store, self._batch.keys, number)

    def begin_next(self) -> int:
        """Return the position of the next item, which may be sent from now on."""
        self.next += 1
        return self.next - 1

    def name_of(self, position: int) -> str:
        """Return the charge point of an item that was begun and has no outcome."""
        return self._blocks[position // BLOCK][position % BLOCK].charge_point

    def settle(self, position: int, result: Result) -> None:
        item = self._blocks[position // BLOCK][position % BLOCK]
        item.outcome, item.detail = result
        item.ended_ms = self._store.server_time_ms()
        self.counts.add(*result)
        self._changed.add(position // BLOCK)

    async def store(self, reserved: int, *, release: bool = False) -> Advanced:
        """Store the outcomes, and what may be begun from now on. Raises StoreUnavailable."""
        changed, self._changed = self._changed, set()
        blocks = {number: self._blocks[number] for number in changed}
        more = {"lease_ms": 0} if release else {}
        try:
            word = await working.advance(
                self._store,
                self._batch,
                self._runner,
                reserved=reserved,
                counts=self.counts,
                blocks=blocks,
                **more,
            )
        except BaseException:
            self._changed |= changed
            raise
        if word != "lost":
            self.phase, self.reserved = word, reserved
            self._drop_ended(changed)
        return word

    def _drop_ended(self, numbers: set[int]) -> None:
        for number in numbers - self._changed:
            if all(item.outcome is not None for item in self._blocks[number]):
                del self._blocks[number]
