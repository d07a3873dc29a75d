"""`make image-check` looks into the image, and runs it as a cluster does: read-only, by any user at all.

The processes share the network of this machine and listen on loopback only.
"""

import json
import os
import re
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

from tests.support.locks import read_lock
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import GENEROUS_S, wait_until
from tests.system.independent import Hidden
from tests.system.mounted import WINDOW_S, Mounted, charge, choose_ports, write_files

CONTENTS = Path(__file__).with_name("image_contents.py")
GRACE_S = WINDOW_S + 12
"""How long csms promises to take at most after SIGTERM."""
BYTES_MAX = 250_000_000
LIMIT_MAX = 4096
IMPORTING_S = 0.2
"""A process imports for half a second at least, so after this time it does."""
ARBITRARY = "12345:0"
"""A user that the image does not know, as some clusters choose one. Its group is always root's."""
IMAGE_USER = "10001:10001"


class CheckError(Exception):
    pass


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  the purpose of the program


def expect(condition: object, otherwise: object) -> None:
    if not condition:
        raise CheckError(str(otherwise))


def find_missing_tools() -> list[str]:
    return [tool for tool in ("podman", "runc", "conmon") if shutil.which(tool) is None]


def podman(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, check=False, timeout=2 * GENEROUS_S
    )
    if check:
        expect(done.returncode == 0, f"podman {arguments[0]}: {done.stderr}")
    return done


def limits() -> list[str]:
    """Give a container low limits, because podman's own may be above what this user may give."""
    found = []
    for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        hard = resource.getrlimit(number)[1]
        limit = LIMIT_MAX if hard == resource.RLIM_INFINITY else min(hard, LIMIT_MAX)
        found += ["--ulimit", f"{name}={limit}:{limit}"]
    return found


def confined(image: str, name: str, user: str, *options: str) -> list[str]:
    """Return the arguments that run `image` without any right, and without a place that it could write to."""
    return [
        *("run", "--rm", "--pull", "never", "--runtime", "runc", "--name", name, "--network", "host"),
        *("--read-only", "--read-only-tmpfs=false", "--cap-drop", "all"),
        *("--security-opt", "no-new-privileges", "--security-opt", "label=disable"),
        *(*limits(), "--user", user, *options, image),
    ]


def mounts(files: Path) -> list[str]:
    places = ("/etc/csms", "/run/secrets/csms", "/run/tls")
    return [part for place in places for part in ("--volume", f"{files}{place}:{place}:ro")]


class Running:
    def __init__(self, name: str, child: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name, self.child, self.log = name, child, log

    def health(self, port: int) -> "subprocess.CompletedProcess[str]":
        return podman("exec", self.name, "csms", "health", "--port", str(port), check=False)

    def stop(self) -> float:
        """Stop the container as a cluster does: SIGTERM, and SIGKILL after the grace. Return the seconds."""
        began = time.monotonic()
        podman("stop", "--time", str(GRACE_S), self.name)
        code = self.child.wait(GENEROUS_S)
        words = self.log.read_text()
        expect(code == 0, f"{self.name} ended with {code} after SIGTERM: {words}")
        expect("Traceback" not in words, words)
        return time.monotonic() - began


@contextmanager
def start(image: str, part: str, user: str, files: Path, port: int, log: Path) -> Iterator[Running]:
    """Run a gateway or admin process in a container; wait until the image's own health check passes."""
    name = f"csms-check-{part}-{secrets.token_hex(4)}"
    command = confined(image, name, user, *mounts(files))
    with log.open("wb") as words:
        child = subprocess.Popen(
            ["podman", *command, part, "--config", f"/etc/csms/{part}.toml"],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
        )
    running = Running(name, child, log)

    def is_healthy() -> bool:
        expect(child.poll() is None, f"{part} ended: {log.read_text()}")
        return running.health(port).returncode == 0

    try:
        wait_until(is_healthy, log.read_text)
        yield running
    finally:
        podman("rm", "--force", "--ignore", "--time", "0", name, check=False)
        child.wait(GENEROUS_S)


def check_contents(image: str) -> None:
    """Look at every file, as root, because a user without rights does not see each."""
    command = [
        *(
            "podman",
            "run",
            "--rm",
            "--interactive",
            "--pull",
            "never",
            "--runtime",
            "runc",
            "--network",
            "none",
        ),
        *("--security-opt", "label=disable", *limits(), "--read-only", "--read-only-tmpfs=false"),
        *("--user", "0:0", "--entrypoint", "/usr/bin/env", image, "python3", "-I", "-"),
    ]
    done = subprocess.run(
        command,
        input=CONTENTS.read_text(),
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * GENEROUS_S,
    )
    expect(done.returncode == 0, done.stderr)
    found = json.loads(done.stdout)
    expect(found["bytes"] <= BYTES_MAX, f"the image has {found['bytes']} bytes, more than {BYTES_MAX}")
    expect(found["python"] == [3, 13], f"the image has Python {found['python']}")
    expect("trixie" in found["system"], f"the image is {found['system']}")
    for kind, files in found["unwanted"].items():
        expect(not files, f"{kind}: {files}")
    locked = {name: pinned for name, (pinned, _) in read_lock("requirements-runtime.txt").items()}
    expect(found["packages"] == locked | {"csms": version("csms")}, f"packages: {found['packages']}")
    expect(found["listed"] == found["packages"], f"the list of packages has: {found['listed']}")
    expect(not found["without_hash"], f"packages without a hash in the list: {found['without_hash']}")
    say(
        f"{found['bytes'] / 1e6:.0f} MB in {found['files']} files, {len(locked) + 1} Python packages, "
        f"and none of these: {', '.join(found['unwanted'])}"
    )


def check_labels(image: str) -> None:
    (described,) = json.loads(podman("image", "inspect", image).stdout)
    expect(described["Config"]["User"] == IMAGE_USER, described["Config"]["User"])
    labels = described["Config"]["Labels"]
    expect(labels["org.opencontainers.image.version"] == version("csms"), labels)
    expect(
        re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", labels["org.opencontainers.image.revision"]), labels
    )


def check_charging(image: str, directory: Path, mounted: Mounted) -> None:
    ports = mounted.ports
    key = Hidden(
        podman(
            *confined(image, f"csms-check-key-{secrets.token_hex(4)}", ARBITRARY, *mounts(mounted.directory)),
            *("api-key", "create", "site", "--config", "/etc/csms/admin.toml"),
        ).stdout.strip()
    )
    gateway_log, admin_log = directory / "gateway.log", directory / "admin.log"
    with (
        start(image, "admin", IMAGE_USER, mounted.directory, ports.admin_health, admin_log) as admin,
        start(image, "gateway", ARBITRARY, mounted.directory, ports.gateway_health, gateway_log) as gateway,
    ):
        took: list[float] = []
        code = charge(mounted, key, lambda: took.append(gateway.stop()))
        expect(code == 1012, f"the gateway closed with {code}")
        say(f"gateway: charged over wss, drained in {took[0]:.1f} s of {GRACE_S} s, exit code 0")
        say(f"admin: ended in {admin.stop():.1f} s, exit code 0")


def remove(files: Path, name: str) -> None:
    (files / name).parent.chmod(0o755)
    (files / name).unlink()


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "the configuration is missing": (
        lambda files: remove(files, "etc/csms/gateway.toml"),
        r"/etc/csms/gateway\.toml.*No such file",
    ),
    "the pepper is missing": (
        lambda files: remove(files, "run/secrets/csms/pepper"),
        r"pepper.*/run/secrets/csms/pepper.*No such file",
    ),
    "the key may not be read": (
        lambda files: (files / "run/tls/rsa/tls.key").chmod(0o400),
        r"/run/tls/rsa/tls\.key.*Permission denied",
    ),
    "the URL of the store is missing": (
        lambda files: remove(files, "run/secrets/csms/store-url"),
        r"/run/secrets/csms/store-url.*No such file",
    ),
}
"""What people get wrong, and the one line that must tell them."""


def check_faults(image: str, directory: Path, mounted: Mounted) -> None:
    for number, (fault, (cause, expected)) in enumerate(FAULTS.items()):
        files = directory / f"fault-{number}"
        shutil.copytree(mounted.directory, files)
        cause(files)
        done = podman(
            *confined(image, f"csms-check-fault-{secrets.token_hex(4)}", ARBITRARY, *mounts(files)),
            *("gateway", "--config", "/etc/csms/gateway.toml"),
            check=False,
        )
        words = done.stderr.strip()
        expect(done.returncode == 1, f"{fault}: exit code {done.returncode}: {words}")
        expect(re.search(expected, words) and len(words.splitlines()) == 1, f"{fault}: {words}")
        say(f"{fault}: exit code 1, {words}")


def check_early_stop(image: str, directory: Path, mounted: Mounted) -> None:
    """Stop a process while it still imports. The kernel drops a SIGTERM that process 1 does not handle."""
    name = f"csms-check-early-{secrets.token_hex(4)}"
    log = directory / "early.log"
    with log.open("wb") as words:
        child = subprocess.Popen(
            [
                *("podman", *confined(image, name, ARBITRARY, *mounts(mounted.directory))),
                *("gateway", "--config", "/etc/csms/gateway.toml"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
        )
    try:
        asked = ("inspect", "--format", "{{.State.Running}}", name)
        wait_until(lambda: podman(*asked, check=False).stdout.strip() == "true", log.read_text)
        time.sleep(IMPORTING_S)
        podman("stop", "--time", str(GRACE_S), name)
        code = child.wait(GENEROUS_S)
    finally:
        podman("rm", "--force", "--ignore", "--time", "0", name, check=False)
    expect(code in {0, 128 + signal.SIGTERM}, f"SIGTERM at the start: exit code {code}: {log.read_text()}")
    say(f"SIGTERM at the start: exit code {code}")


def check(image: str, directory: Path) -> None:
    check_labels(image)
    check_contents(image)
    with ExitStack() as stack:
        port = choose_ports().wss
        store = ValkeyServer(directory / "store", "--port", str(port), "--bind", "127.0.0.1")
        store.start()
        stack.callback(store.stop)
        mounted = write_files(directory, f"redis://127.0.0.1:{port}")
        check_faults(image, directory, mounted)
        check_early_stop(image, directory, mounted)
        check_charging(image, directory, mounted)


def main() -> int:
    if missing := find_missing_tools():
        sys.stderr.write(
            f"make image-check needs {' '.join(missing)}. Install it (on Debian, as root: apt-get install "
            f"{' '.join(missing)}).\n"
        )
        return 1
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    image = os.environ.get("IMAGE") or f"localhost/csms:{project['version']}"
    with tempfile.TemporaryDirectory(prefix="csms-image-") as temporary:
        # Every user must reach the files that are mounted.
        Path(temporary).chmod(0o755)
        try:
            check(image, Path(temporary))
        except (CheckError, AssertionError) as failure:
            sys.stderr.write(f"make image-check: {image} fails: {failure}\n")
            return 1
    say(f"{image} passes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
