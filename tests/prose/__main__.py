"""Draw sentences at random to be read by somebody new, or count words that make a sentence hard to read."""

import argparse
import random
import sys
from collections import Counter

from tests.prose.sentences import Sentence, sentences, test_names
from tests.prose.telltales import hits


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.prose", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, count, about in (
        (
            "draw",
            60,
            "Draw sentences of docstrings, comments, errors, help, OpenAPI and pages, with paragraphs.",
        ),
        ("names", 30, "Draw names of tests."),
    ):
        drawing = commands.add_parser(name, help=about, description=about)
        drawing.add_argument(
            "--seed", type=int, required=True, help="The same seed draws the same sentences."
        )
        drawing.add_argument(
            "--count",
            type=int,
            default=count,
            help=f"Number of sentences; the default is {count}.",
        )
    about = "Count the sentences that hold a tell-tale word, by tell-tale and by room."
    counting = commands.add_parser("telltales", help=about, description=about)
    counting.add_argument(
        "--show", metavar="PREFIX", help="Also list the sentences whose place begins with this text."
    )
    given = parser.parse_args()
    if given.command == "telltales":
        _count(given.show)
    else:
        pool = sentences() if given.command == "draw" else test_names()
        drawn = random.Random(given.seed).sample(pool, min(given.count, len(pool)))
        for number, one in enumerate(drawn, 1):
            _say(f"{number:3}. [{one.kind}, {one.place}] {one.text}")
            if one.paragraph != one.text:
                _say(f"     In: {one.paragraph}")


def _count(show: str | None) -> None:
    found = list(hits([*sentences(), *test_names()]))
    for hit in found if show is not None else ():
        if hit.sentence.place.startswith(str(show)):
            _say(f"{hit.sentence.place}: {hit.telltale}: {hit.sentence.text}")
    by_telltale = Counter(hit.telltale for hit in found)
    by_room = Counter(_room(hit.sentence) for hit in found)
    for table in (by_telltale, by_room):
        for name, count in table.most_common():
            _say(f"{count:5} {name}")
    _say(f"{len({hit.sentence for hit in found}):5} sentences in all")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _room(sentence: Sentence) -> str:
    first, _, _ = sentence.place.partition(":")[0].partition("/")
    return "openapi" if sentence.kind == "openapi" else first


if __name__ == "__main__":
    main()
