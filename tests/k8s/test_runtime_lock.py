"""`.ci/requirements-runtime.txt`, from which the image is made, is the part of the lock that csms needs."""

import re
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CI = Path(__file__).parents[2] / ".ci"
PINNED = re.compile(r"^([\w.-]+)==(\S+)")


def read_lock(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the version and the hashes of each package."""
    blocks = re.split(r"\n(?=\S)", (CI / name).read_text())
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for block in blocks:
        pinned = PINNED.match(block)
        assert pinned is not None, block
        hashes = frozenset(re.findall(r"--hash=(\S+)", block))
        assert hashes, block
        found[canonicalize_name(pinned[1])] = (pinned[2], hashes)
    return found


def closure(name: str, extras: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield what the installed package needs on this machine, directly or not."""
    for line in requires(name) or []:
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield canonicalize_name(need.name)
            yield from closure(need.name, frozenset(need.extras))


def test_the_runtime_lock_has_the_versions_and_hashes_of_the_development_lock() -> None:
    whole, runtime = read_lock("requirements.txt"), read_lock("requirements-runtime.txt")
    assert {name: whole.get(name) for name in runtime} == runtime


def test_the_runtime_lock_has_exactly_what_csms_needs_and_nothing_for_development() -> None:
    runtime = read_lock("requirements-runtime.txt")
    assert set(closure("csms")) == set(runtime)
    assert "pytest" in read_lock("requirements.txt")


def test_the_runtime_lock_names_no_address() -> None:
    assert "://" not in (CI / "requirements-runtime.txt").read_text()
