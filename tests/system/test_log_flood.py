"""A flood of one event: a real gateway writes a bounded number of its lines, and counts the others."""

import json
from typing import Any

import trio

from gateway.service.log_bound import LINES_PER_SECOND
from state import keys
from state.nodes import nodes
from state.store import StoreConfig, open_store
from tests.support.waiting import until
from tests.system.central import Central, Process

MESSAGES = 90
"""Fewer than a gateway reads at once, so that all of them come in the same second."""
FLOOD = f"for _ = 1, {MESSAGES} do redis.call('XADD', KEYS[1], '*', 'm', 'no message') end"


def lines_of(gateway: Process, begin: int) -> list[dict[str, Any]]:
    """Return the lines after the place `begin`. Gateways of other tests write to the same file."""
    text = gateway.log.read_bytes()[begin:].decode()
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("}\n")]


async def test_a_flood_of_unknown_messages_writes_few_lines_and_is_counted(central: Central) -> None:
    with trio.fail_after(120):
        async with open_store(StoreConfig(url=central.valkey.url)) as store:
            before = {node.incarnation for node in await nodes.list_nodes(store)}
            async with central.gateway() as gateway:
                [new] = {node.incarnation for node in await nodes.list_nodes(store)} - before
                begin = gateway.log.stat().st_size
                await store.execute("EVAL", FLOOD, 1, keys.inbox(new))
                await until(
                    lambda: any(line["event"] == "lines.left_out" for line in lines_of(gateway, begin))
                )
                lines = lines_of(gateway, begin)
    ignored = [line for line in lines if line["event"] == "inbox.message_ignored"]
    [left_out] = [line["lines"] for line in lines if line["event"] == "lines.left_out"]
    assert len(ignored) == LINES_PER_SECOND
    assert left_out == {"inbox.message_ignored": MESSAGES - LINES_PER_SECOND}
