"""The Lua steps: one file each beside the function that calls it, known to the server by its SHA-1."""

import re
from hashlib import sha1
from importlib.resources import files
from itertools import takewhile

import msgspec

_HEADER = re.compile(r"-- KEYS(?P<keys>[^|]*?)(?:\|\s*ARGV(?P<args>.*?))?\s*->", re.DOTALL)
_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.\.\.)?")

REGISTRY: dict[str, "Script"] = {}


class Names(msgspec.Struct, frozen=True):
    """Names in a header; the last one may stand for any number (`...`)."""

    names: tuple[str, ...]

    @property
    def variadic(self) -> bool:
        return bool(self.names) and self.names[-1].endswith("...")

    def admits(self, count: int) -> bool:
        named = len(self.names)
        return count == named or (self.variadic and count >= named - 1)


class Script(msgspec.Struct, frozen=True, eq=False):
    name: str
    sha: str
    source: str
    keys: Names
    args: Names

    def check(self, keys: int, args: int) -> None:
        """Raise ValueError for a number of keys or arguments that the header does not name."""
        if not (self.keys.admits(keys) and self.args.admits(args)):
            raise ValueError(
                f"{self.name}: {keys} keys and {args} arguments for {self.keys.names} | {self.args.names}"
            )


def script(name: str) -> Script:
    """Declare the step state/<name>.lua. Raises ValueError if its header cannot be read."""
    if name in REGISTRY:
        return REGISTRY[name]
    room = files("state")
    body = (room / f"{name}.lua").read_text(encoding="utf-8")
    keys, args = read_header(name, body)
    shared = [
        (room / "lua" / f"_{part}.lua").read_text(encoding="utf-8") for part in ("prelude", *_parts(body))
    ]
    source = "\n".join((*shared, body))
    # SHA-1 is how EVALSHA names a script; nothing secret hangs on it.
    sha = sha1(source.encode(), usedforsecurity=False).hexdigest()
    found = REGISTRY[name] = Script(name, sha, source, keys, args)
    return found


def _parts(body: str) -> list[str]:
    """Name the files `_<part>.lua` of functions that only a few steps share.

    The server makes every function anew for every step, 0.1 us each: not for steps that do not use it.
    """
    comment = takewhile(lambda line: line.startswith("--"), body.splitlines())
    return [part for line in comment if line.startswith("-- WITH ") for part in line.split()[2:]]


def read_header(name: str, body: str) -> tuple[Names, Names]:
    """`-- KEYS a b | ARGV x y... -> {'word', ...}`, on one or more comment lines. Raises ValueError."""
    comment = list(takewhile(lambda line: line.startswith("--"), body.splitlines()))
    text = "\n".join([*comment[:1], *(line.removeprefix("--") for line in comment[1:])])
    found = _HEADER.match(text)
    if found is None:
        raise ValueError(f"{name}.lua must begin with '-- KEYS a b | ARGV x y -> {{'word', ...}}'")
    keys, args = (Names(tuple((found[group] or "").split())) for group in ("keys", "args"))
    for names in (keys, args):
        for position, one in enumerate(names.names, 1):
            if not _NAME.fullmatch(one) or (one.endswith("...") and position < len(names.names)):
                raise ValueError(
                    f"{name}.lua: {one!r} in the header is no name; only the last may end in '...'"
                )
    return keys, args
