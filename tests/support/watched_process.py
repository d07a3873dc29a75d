"""A process that watches its own health until its standard input ends, and then writes its reports."""

import sys

import msgspec
import trio

from loadtest.measuring.generator import Health
from loadtest.measuring.recording import Recorder


async def main() -> None:
    begin = trio.current_time()
    recorder = Recorder(begin)
    health = Health("7", recorder, lambda: 0.0)
    recorder.enter("hold", begin)
    health.enter("hold", begin)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(health.run)
        # More than two timers, so that the process surely watches.
        await trio.sleep(0.2)
        sys.stdout.write("watching\n")
        sys.stdout.flush()
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()
    sys.stdout.buffer.write(msgspec.json.encode(await health.finish(trio.current_time())))


if __name__ == "__main__":
    trio.run(main)
