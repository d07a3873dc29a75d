"""A client of the store that has nothing to do with charge points: `python -m tests.bench.upkeep.bystander`.

For each line with a number of seconds, the process sends a GET every 2 ms and answers with the times of the
replies in milliseconds: median, p99 and the longest.
"""

import socket
import sys
import time

from tests.bench.upkeep.helpers import say

GET = b"*2\r\n$3\r\nGET\r\n$9\r\nbystander\r\n"
NOTHING = b"$-1\r\n"
PAUSE_S = 0.002


def watch(server: socket.socket, seconds: float) -> list[float]:
    times = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        server.sendall(GET)
        reply = server.recv(100)
        times.append(1000 * (time.perf_counter() - began))
        assert reply == NOTHING, reply
        time.sleep(PAUSE_S)
    times.sort()
    return [times[len(times) // 2], times[len(times) * 99 // 100], times[-1]]


def main() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(sys.argv[1])
        for line in sys.stdin:
            say(watch(server, float(line)))


if __name__ == "__main__":
    main()
