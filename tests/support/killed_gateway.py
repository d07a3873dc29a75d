"""A gateway that kills itself (SIGKILL) after it has claimed a command, and before it writes the call.

Run it with `python -m tests.support.killed_gateway`.
"""

import os
import runpy
import signal

from state import commands
from state.commands import Go, Gone, Late, Taken
from state.nodes.leases import Lease
from state.store import Store

_claim = commands.claim


async def _claim_and_die(store: Store, lease: Lease, id_: str, nonce: str) -> Go | Late | Taken | Gone:
    claimed = await _claim(store, lease, id_, nonce)
    if isinstance(claimed, Go):
        os.kill(os.getpid(), signal.SIGKILL)
    return claimed


if __name__ == "__main__":
    commands.claim = _claim_and_die
    runpy.run_module("gateway", run_name="__main__", alter_sys=True)
