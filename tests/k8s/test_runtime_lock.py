"""`.ci/requirements-runtime.txt`, from which the image is made, is the part of the lock that csms needs."""

from collections.abc import Iterator
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.locks import CI, read_lock


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
