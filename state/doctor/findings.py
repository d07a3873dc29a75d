"""What an examination found: one finding for each thing that was looked at."""

from typing import Literal

import msgspec

type Verdict = Literal["ok", "warning", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """`subject` is a word or two. `text` says what is the case and, unless all is well, what to do."""

    subject: str
    verdict: Verdict
    text: str


def ok(subject: str, text: str) -> Finding:
    return Finding(subject, "ok", text)


def warning(subject: str, text: str) -> Finding:
    return Finding(subject, "warning", text)


def wrong(subject: str, text: str) -> Finding:
    return Finding(subject, "wrong", text)
