"""Our connection reads the same frames as an independent parser.

These tests cover gateway/websocket/incoming.py and the modules that it uses for reading.
"""

import random

import pytest

from tests.gateway.websocket import fuzz


@pytest.mark.parametrize("streams", [1_500, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_our_parser_reads_random_streams_in_the_same_way_as_an_independent_parser(streams: int) -> None:
    assert await fuzz.compare(range(streams)) is None


async def test_the_random_streams_contain_both_valid_messages_and_violations() -> None:
    seen = [await fuzz.ours(fuzz.make_stream(random.Random(seed))) for seed in range(200)]
    assert sum(len(messages) for messages, _ in seen) > 100
    assert 50 < sum(closed.by != "lost" for _, closed in seen) < 150
