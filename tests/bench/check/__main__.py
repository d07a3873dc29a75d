"""Compare the instructions of the hot path with recorded ones, and fail if a part became 15 % dearer.

Callgrind counts the instructions of each part, and of a loop that uses none of our code. What is recorded and
compared is the ratio of the two, so that a run on another machine of the same kind gets the same ratios. No
part uses the kernel or a server, so a busy machine changes only how long the run takes, which is about 20 s.

Exit codes: 0 if no part became dearer, 1 if one did, 2 if nothing could be compared, 3 without valgrind.
"""

import argparse
import platform
import sys
from typing import NoReturn

from tests.bench.check import measuring, recorded
from tests.bench.check.parts import PARTS

_DEARER, _NOT_COMPARED, _NO_VALGRIND = 1, 2, 3


def main() -> None:
    chosen = _read_options()
    if not measuring.is_installed():
        _fail(measuring.INSTALL, _NO_VALGRIND)
    try:
        if chosen.record:
            _record()
        else:
            _check(chosen.parts)
    except (measuring.NotMeasured, recorded.Unmatched) as error:
        _fail(str(error), _NOT_COMPARED)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--record", action="store_true", help=f"measure all parts and write {recorded.FILE.name}"
    )
    parser.add_argument(
        "--parts", type=lambda text: tuple(text.split(",")), metavar="NAME,...", help=",".join(PARTS)
    )
    chosen = parser.parse_args()
    if chosen.record and chosen.parts:
        parser.error("--record records all parts; leave out --parts")
    chosen.parts = chosen.parts or tuple(PARTS)
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    return chosen


def _record() -> None:
    made = recorded.make(measuring.measure(tuple(PARTS)))
    recorded.save(made)
    _say(f"Recorded {len(made.ratios)} parts in {recorded.FILE}.")


def _check(names: tuple[str, ...]) -> None:
    before = recorded.load()
    recorded.match(before, PARTS)
    compared = recorded.compare(before, measuring.measure(names))
    python, machine = platform.python_version(), platform.machine()
    _say(f"Recorded on {before.date} at {before.commit}, with Python {before.python} on {before.machine}.")
    for difference in recorded.explain_differences(before, python=python, machine=machine):
        _say(difference)
    _say(recorded.make_table(compared, {name: part.what for name, part in PARTS.items()}))
    _say(recorded.conclude(compared))
    if any(one.verdict == "dearer" for one in compared):
        raise SystemExit(_DEARER)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _fail(text: str, code: int) -> NoReturn:
    sys.stderr.write(f"bench-check: {text}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
