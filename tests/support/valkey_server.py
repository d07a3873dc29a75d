"""A private Valkey server on a unix socket, with the settings of the embedded server.

A test may stop, pause or kill this server.
"""

import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen

from state.embedded import child_process
from state.embedded.embedded import server_arguments
from tests.support.waiting import GENEROUS_S, wait_until


class ValkeyServer:
    def __init__(self, directory: Path, *options: str, env: Mapping[str, str] | None = None) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = directory
        self.path = str(directory / "v.sock")
        self.url = f"unix://{self.path}"
        self._options = options
        self._env = env
        self._child: Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        argv = [*server_arguments(self.path), "--maxmemory", "1gb", *self._options]
        self._child = child_process.start(argv, cwd=self.directory, env=self._env)
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None, (self.directory / "valkey.log").read_text()
        try:
            return self.ask(b"PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def flush(self) -> None:
        assert self.ask(b"FLUSHALL") == b"+OK\r\n"

    def ask(self, command: bytes) -> bytes:
        """Send one inline command without our client, and return the raw reply."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(GENEROUS_S)
            client.connect(self.path)
            client.sendall(command + b"\r\n")
            return client.recv(1000)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server as the kernel would, without a flush."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def stop(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self.resume()
            self._child.terminate()
            self._child.wait(GENEROUS_S)
