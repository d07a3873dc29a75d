"""`csms up` as a real process tree, with the line that it prints."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx
import msgspec

from tests.support.waiting import GENEROUS_S


class Running(msgspec.Struct, frozen=True):
    ws: str
    wss: str
    admin: str
    api_key: str
    tenant: str
    token: str
    ca_file: str
    data_dir: str
    pid: int

    def __repr__(self) -> str:
        """Leave out the secrets, because a failing test shows its fixtures."""
        return f"<csms up in {self.data_dir}>"

    def url(self, charge_point: str, *, token: str | None = None, scheme: str = "wss") -> str:
        base = self.wss if scheme == "wss" else self.ws
        return f"{base}/OCPP16/{self.tenant}/{token or self.token}/{charge_point}"

    def api(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        base = f"{self.admin}/v1/tenants/{self.tenant}"
        return httpx.Client(base_url=base, headers=headers, timeout=60, verify=False)


@contextmanager
def csms_up(data_dir: Path, *options: str, environ: dict[str, str] | None = None) -> Iterator[Running]:
    """Run `csms up` until the block ends. After the block, SIGTERM must end the process."""
    argv = [sys.executable, "-m", "admin", "up", "--json", "--ports", "0", "--data-dir", str(data_dir)]
    with (data_dir.parent / f"{data_dir.name}.log").open("ab") as log:
        process = subprocess.Popen(
            [*argv, *options],
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **(environ or {})},
        )
    try:
        yield _ready(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(GENEROUS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            process.stdout.close() if process.stdout else None


def _ready(process: "subprocess.Popen[bytes]") -> Running:
    lines: Queue[bytes] = Queue()
    assert process.stdout is not None
    threading.Thread(
        target=lambda out: lines.put(out.readline()), args=(process.stdout,), daemon=True
    ).start()
    try:
        line: Any = json.loads(lines.get(timeout=GENEROUS_S))
    except Empty:
        process.kill()
        raise AssertionError(f"csms up was not ready within {GENEROUS_S} s") from None
    return msgspec.convert({**line, "pid": process.pid}, Running)
