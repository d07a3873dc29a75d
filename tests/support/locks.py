"""Reads the files that pin our packages with their hashes."""

import re
from pathlib import Path

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
