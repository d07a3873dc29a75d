"""Sessions of other nodes that we evicted and whose goodbye we wait for."""

import trio


class Evictions:
    def __init__(self) -> None:
        self._expected: dict[str, trio.Event] = {}

    def expect(self, holder: str) -> trio.Event:
        return self._expected.setdefault(holder, trio.Event())

    def gone(self, holder: str) -> None:
        event = self._expected.get(holder)
        if event is not None:
            event.set()

    def forget(self, holder: str) -> None:
        self._expected.pop(holder, None)
