"""The Lua steps. Each step is one file beside the function that calls the step.

The server knows a step by its SHA-1. A step's name is its path: "transactions/stop" is
state/transactions/stop.lua.
"""

import re
from hashlib import sha1
from itertools import takewhile
from pathlib import Path

import msgspec

_HEADER = re.compile(r"^ KEYS(?P<keys>[^|]*?)(?:\|\s*ARGV(?P<args>.*?))?\s*->", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.\.\.)?")
_FUNCTION = re.compile(r"^local function (\w+)", re.MULTILINE)
_DEFINITION = re.compile(r"^local (?:function (\w+)\(.*?^end$|([\w, ]+) = [^\n]+$)", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*")
_LUA = """
    and break do else elseif end false for function if in local nil not or repeat return then true until while
    assert bit cjson cmsgpack collectgarbage coroutine error getmetatable ipairs loadstring math next pairs
    pcall rawequal rawget rawset redis select server setmetatable string struct table tonumber tostring type
    unpack xpcall
"""
_ROOM = Path(__file__).parent


class Names(msgspec.Struct, frozen=True):
    """The names of keys or arguments in a header.

    If the last name ends in `...`, it stands for any number of keys or arguments.
    """

    names: tuple[str, ...]

    @property
    def bare(self) -> tuple[str, ...]:
        """The names without the dots."""
        return tuple(name.removesuffix("...") for name in self.names)

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
        """Raise ValueError if the number of keys or arguments is not the number in the header."""
        if not (self.keys.admits(keys) and self.args.admits(args)):
            raise ValueError(
                f"{self.name}: {keys} keys and {args} arguments were given, but its header names"
                f" {self.keys.names} | {self.args.names}"
            )


def _read(file: Path) -> Script:
    """Read a step and the shared functions that it uses. Raises ValueError if its header cannot be read."""
    name, body = file.relative_to(_ROOM).with_suffix("").as_posix(), file.read_text("utf-8")
    keys, args = read_header(name, body)
    parts = ("prelude", *_parts(body))
    shared = "\n".join((_ROOM / f"lua/_{part}.lua").read_text("utf-8") for part in parts)
    # The head goes onto the body's first line, so that the line numbers of the body stay the same. The head
    # comes after the shared functions, so that these cannot use its names. Each outer name that a function
    # uses costs time: a step that compares the fence would take 6 % longer.
    source = f"{select(shared, body)}\n{head(name, keys, args, shared)} {body}"
    # EVALSHA names a script by its SHA-1; no secret depends on it.
    sha = sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name, sha, source, keys, args)


def _parts(body: str) -> list[str]:
    """Return the parts that the step includes.

    A part is a file `lua/_<part>.lua` with functions that only a few steps use.
    """
    comment = takewhile(lambda line: line.startswith("--"), body.splitlines())
    return [part for line in comment if line.startswith("-- WITH ") for part in line.split()[2:]]


def select(shared: str, body: str) -> str:
    """Return the definitions of `shared` that the body uses, and those that they use in turn.

    The server creates every included function each time a step runs, which takes 0.1 us per function.
    """
    kept: list[str] = []
    used = _find_words(body)
    # A definition can use only those before it.
    for found in reversed(list(_DEFINITION.finditer(shared))):
        if not used.isdisjoint((found[1] or found[2]).split(", ")):
            kept.append(found[0])
            used |= _find_words(found[0])
    return "\n".join(reversed(kept))


def _find_words(code: str) -> set[str]:
    return set(re.findall(r"\w+", _COMMENT.sub("", code)))


def head(name: str, keys: Names, args: Names, shared: str) -> str:
    """Write the line of Lua that gives the keys and arguments the names in the header.

    A name with `...` becomes a table. Raises ValueError for a name that would hide a word of Lua or a
    function of `shared`. A Lua script may have 200 local variables, and one function may use 60 of them. The
    server refuses a script that has more.
    """
    taken = {*_LUA.split(), *_FUNCTION.findall(shared)}.intersection(keys.bare + args.bare)
    if taken:
        raise ValueError(
            f"{name}.lua: the header must not use {', '.join(sorted(taken))};"
            " Lua or state/lua defines this name"
        )
    return " ".join(_locals(table, names) for table, names in (("KEYS", keys), ("ARGV", args)) if names.names)


def _locals(table: str, names: Names) -> str:
    values = [f"{table}[{position}]" for position, _ in enumerate(names.names, 1)]
    if names.variadic:
        values[-1] = f"{{unpack({table}, {len(values)})}}"
    return f"local {', '.join(names.bare)} = {', '.join(values)}"


def read_header(name: str, body: str) -> tuple[Names, Names]:
    """Read `-- KEYS a b | ARGV x y... -> {'word', ...}` from one or more lines of the comment at the top.

    Raises ValueError.
    """
    comment = takewhile(lambda line: line.startswith("--"), body.splitlines())
    found = _HEADER.search("\n".join(line.removeprefix("--") for line in comment))
    if found is None:
        raise ValueError(
            f"{name}.lua has no header; the comment at its top must say"
            " '-- KEYS a b | ARGV x y -> {'word', ...}'"
        )
    keys, args = (Names(tuple((found[group] or "").split())) for group in ("keys", "args"))
    for names in (keys, args):
        for position, one in enumerate(names.names, 1):
            if not _NAME.fullmatch(one) or (one.endswith("...") and position < len(names.names)):
                raise ValueError(
                    f"{name}.lua: {one!r} in the header is not a name; names have lower-case letters, digits"
                    " and '_', and only the last may end in '...'"
                )
    if len(set(keys.bare + args.bare)) < len(keys.names + args.names):
        raise ValueError(
            f"{name}.lua: the header uses a name twice; it must give each key and argument its own name"
        )
    return keys, args


_FILES = (file for file in sorted(_ROOM.rglob("*.lua")) if not file.name.startswith("_"))
SCRIPTS = {script.name: script for script in map(_read, _FILES)}
