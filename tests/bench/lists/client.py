"""A client of its own process: reads a path from each line of stdin, and says what the answer was."""

import http.client
import sys
from time import perf_counter
from typing import Any

import msgspec


class Answered(msgspec.Struct, frozen=True):
    """`ms` is the time from the request to the last byte. `next` is the cursor of the next page, if any."""

    ms: float
    bytes: int
    items: int
    next: str | None


def _ask(connection: http.client.HTTPConnection, path: str, key: str) -> Answered:
    begin = perf_counter()
    connection.request("GET", path, headers={"Authorization": key})
    answer = connection.getresponse()
    body = answer.read()
    took = (perf_counter() - begin) * 1000
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
    if answer.getheader("Content-Type") != "application/json":
        return Answered(took, len(body), body.count(b"\n"), None)
    page: dict[str, Any] = msgspec.json.decode(body)
    following = page.get("next") or (page["after"] if page.get("more") else None)
    return Answered(took, len(body), len(page["items"]), following)


def main() -> None:
    port, key = sys.argv[1:]
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=600)
    for line in sys.stdin:
        sys.stdout.write(msgspec.json.encode(_ask(connection, line.strip(), key)).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
