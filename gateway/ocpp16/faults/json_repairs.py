"""Repair text that is nearly JSON, where the text can mean only one thing.

The module reads a frame in one pass and writes it again as JSON. Each repair has a name in `table.py`. A text
that could mean several things is not repaired. For example, `"meterStop":1,5` may mean 1.5, or the name of
the next member may be lost.
"""

import re
from typing import Final, NamedTuple

from gateway.ocpp16.faults.table import FrameRepair

_TOKEN: Final = re.compile(
    r'(?P<space>[ \t\r\n]++)|(?P<mark>[\[\]{},:])|(?P<text>"(?:[^"\\]++|\\.)*+")'
    r'|(?P<blank>[\s\x00-\x1f\x7f\ufeff]++)|(?P<word>[^\s\[\]{},:"\x00-\x1f\x7f\ufeff]++)',
    re.DOTALL,
)
_START: Final = re.compile(r"[\s\x00-\x1f\x7f\ufeff]*+(?=\[[\s\x00-\x1f\x7f]*+[\"\d+-])")
# A mark that closes or separates has no meaning after a frame.
_BETWEEN: Final = re.compile(r"[\s\x00-\x1f\x7f\ufeff\]},;]*+")
_MARKS: Final = frozenset("]},;")
_BLANKS: Final = frozenset(" \t\r\n\x00\ufeff") | _MARKS
_NUMBER: Final = re.compile(r"([+-]?)(\d*)(?:(\.)(\d*))?([eE][+-]?\d+)?", re.ASCII)
_ODD_IN_TEXT: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}"
    r'|\\["\\/bfnrt]|(?P<hex>\\x[0-9a-fA-F]{2})|(?P<quote>\\\')|(?P<backslash>\\)',
)
_CONTROLS: Final = {code: f"\\u{code:04x}" for code in range(32)}
_NOT_A_NUMBER: Final = frozenset(
    sign + word for sign in ("", "+", "-") for word in ("nan", "inf", "infinity", "nan(ind)")
)
_LITERALS: Final = {"true": "true", "false": "false"} | dict.fromkeys(
    ("null", "none", "nil", "undefined"), "null"
)
_DEPTH: Final = 1_000
_CLOSING: Final = {"[": "]", "{": "}"}


class Repaired(NamedTuple):
    """A frame as JSON, and the names of its repairs. `rest` is the text of the next frame, or empty."""

    text: str
    faults: tuple[FrameRepair, ...]
    rest: str


def repair(text: str) -> Repaired | None:
    """Return the frame as JSON. None means that the text has no frame, or may mean several things."""
    start = _START.match(text)
    if start is None:
        return None
    reader = _Reader(text, start.end())
    reader.note_padding(start[0])
    if not reader.read():
        return None
    gap = _BETWEEN.match(text, reader.at)
    assert gap is not None  # noqa: S101  the pattern matches the empty text too.
    reader.note_padding(gap[0])
    rest = text[gap.end() :]
    if rest:
        if rest[0] != "[":
            return None
        reader.faults["frames_joined"] = None
    return Repaired("".join(reader.written), tuple(reader.faults), rest)


class _Reader:
    """Reads one value. `expects` says which tokens may come next."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self.written: list[str] = []
        self.faults: dict[FrameRepair, None] = {}
        self._open: list[str] = []
        self._expects = "value"

    def note_padding(self, padding: str) -> None:
        if "\ufeff" in padding:
            self.faults["byte_order_mark"] = None
        if "\x00" in padding:
            self.faults["nul_outside_text"] = None
        if not _MARKS.isdisjoint(padding):
            self.faults["mark_after_frame"] = None
        if not _BLANKS.issuperset(padding):
            self.faults["blank_unknown"] = None

    def read(self) -> bool:
        """Read to the end of the value. False means that it cannot be repaired."""
        while self._expects != "end":
            token = _TOKEN.match(self.text, self.at)
            if token is None:
                return False
            self.at = token.end()
            match token.lastgroup:
                case "mark":
                    read = self._read_mark(token[0])
                case "text" | "word" as kind:
                    read = self._read_scalar(kind == "text", token[0])
                case "blank":
                    self.note_padding(token[0])
                    continue
                case _:
                    continue
            if not read:
                return False
        return True

    def _read_mark(self, mark: str) -> bool:
        match mark, self._expects:
            case (("[" | "{"), ("value" | "first item" | "item")) | ("{", "object"):
                if len(self._open) == _DEPTH:
                    return False
                self._open.append(mark)
                self._expects = "first item" if mark == "[" else "first name"
            case ":", "colon":
                self._expects = "value"
            # No object is missing from a list of objects. A text or a number may be missing from other lists.
            case ",", ("first name" | "name" | "first item" | "item" | "object") if len(self._open) > 1:
                self.faults["comma_too_many"] = None
                if self._open[-1] == "[":
                    self._expects = "object"
                return True
            case ",", "comma":
                self._expects = "item" if self._open[-1] == "[" else "name"
            case (("," | "}"), "value") if self._open and self._open[-1] == "{":
                self.faults["empty_value"] = None
                self.written.append("null")
                self._expects = "comma"
                return self._read_mark(mark)
            case (("]" | "}"), ("comma" | "first item" | "first name" | "item" | "name")):
                return self._close(mark)
            case _:
                return False
        self.written.append(mark)
        return True

    def _close(self, mark: str) -> bool:
        if _CLOSING[self._open.pop()] != mark:
            return False
        if self._expects in {"item", "name"}:
            self.faults["trailing_comma"] = None
            self.written.pop()
        self.written.append(mark)
        self._expects = "comma" if self._open else "end"
        return True

    def _read_scalar(self, is_text: bool, token: str) -> bool:  # noqa: FBT001  one of two kinds of tokens.
        if self._expects in {"name", "first name"}:
            self.written.append(self._read_text(token))
            self._expects = "colon"
            return is_text
        if self._expects not in {"value", "item", "first item"} or not self._open:
            return False
        value = self._read_text(token) if is_text else self._read_word(token)
        if value is None:
            return False
        self.written.append(value)
        self._expects = "comma"
        return True

    def _read_text(self, token: str) -> str:
        if "\\" in token:
            token = _ODD_IN_TEXT.sub(self._escape, token)
        escaped = token if token.isprintable() else token.translate(_CONTROLS)
        if len(escaped) != len(token):
            self.faults["control_character"] = None
        return escaped

    def _escape(self, odd: re.Match[str]) -> str:
        match odd.lastgroup:
            case "hex":
                self.faults["escape_unknown"] = None
                return f"\\u00{odd[0][2:]}"
            case "quote":
                self.faults["escape_unknown"] = None
                return "'"
            case "backslash":  # Nothing is lost if the backslash itself was meant.
                self.faults["escape_unknown"] = None
                return "\\\\"
            case _:
                return odd[0]

    def _read_word(self, word: str) -> str | None:
        if word in {"true", "false", "null"}:
            return word
        folded = word.lower()
        if folded in _NOT_A_NUMBER:
            self.faults["not_a_number"] = None
            return "null"
        if folded in _LITERALS:
            self.faults["literal_spelling"] = None
            return _LITERALS[folded]
        return self._read_number(word)

    def _read_number(self, word: str) -> str | None:
        found = _NUMBER.fullmatch(word)
        if found is None:
            return None
        sign, whole, point, fraction, exponent = found.groups(default="")
        if not whole and not fraction:
            return None
        if sign == "+":
            self.faults["plus_sign"] = None
            sign = ""
        if len(whole) > 1 and whole[0] == "0":
            self.faults["leading_zero"] = None
            whole = whole.lstrip("0") or "0"
        if not whole or (point and not fraction):
            self.faults["bare_point"] = None
        return f"{sign}{whole or '0'}{'.' if fraction else ''}{fraction}{exponent}"
