import json
from functools import partial
from pathlib import Path

import pytest
import trio

from state.nodes import inbox, nodes
from state.nodes.inbox import Drain, DrainCancelled, Message, Shed
from state.store import Store
from tests.admin.a_gateway import RECORD
from tests.support.up_process import csms, one_line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shed", "n", "--percent", "33", "--window-s", "20"), Shed(33, 20)),
        pytest.param(("drain", "n"), Drain(None), marks=pytest.mark.slow),
        pytest.param(("cancel-drain", "n"), DrainCancelled(), marks=pytest.mark.slow),
    ],
)
async def test_an_order_of_the_command_line_reaches_the_gateway(
    store: Store, config: Path, arguments: tuple[str, ...], message: Message
) -> None:
    await nodes.beat(store, "n", RECORD)
    done = csms("nodes", *arguments, "--config", str(config))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "n got the order; csms nodes list shows how it goes on\n"
    assert [one for _, one in await inbox.read(store, "n", "0", 1)] == [message]


async def test_an_order_to_an_unknown_node_is_refused_in_one_line(store: Store, config: Path) -> None:
    said = one_line(csms("nodes", "drain", "nobody", "--config", str(config)))
    assert said == "csms nodes drain: there is no node nobody; csms nodes list shows the ids"
    assert await nodes.list_nodes(store) == []


@pytest.mark.slow
async def test_the_command_line_lists_the_nodes_with_what_they_report(store: Store, config: Path) -> None:
    await nodes.beat(store, "n", RECORD)
    printed = dict[str, str]()

    async def list_nodes(form: str, *options: str) -> None:
        command = partial(csms, "nodes", "list", *options, "--config", str(config))
        printed[form] = (await trio.to_thread.run_sync(command)).stdout

    async with trio.open_nursery() as nursery:
        nursery.start_soon(list_nodes, "json", "--json")
        nursery.start_soon(list_nodes, "table")
    found = json.loads(printed["json"])
    assert found["heard"] is False
    assert (found["id"], found["kind"], found["host"], found["sessions"]) == ("n", "gateway", "pod-1", 12)
    assert found["since"].endswith("Z")
    assert all(word in printed["table"] for word in ("pod-1", "gateway", "12"))
