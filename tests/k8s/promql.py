"""Reads which metrics and labels an expression of Prometheus names, without the help of Prometheus."""

import re
from collections import defaultdict
from typing import NamedTuple

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_MATCHERS = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*\b(?!\s*\()")
_KEYWORDS = {"and", "or", "unless", "offset", "bool"}


class Names(NamedTuple):
    """`metrics` has the labels that matchers name, by metric. `groups` are the labels of `by` and `on`."""

    metrics: dict[str, set[str]]
    groups: set[str]


def read_names(expression: str) -> Names:
    text = _RANGE.sub("", _TEXT.sub('""', expression))
    groups = {label.strip() for found in _GROUPING.findall(text) for label in found.split(",")}
    text = _GROUPING.sub("", text)
    metrics: defaultdict[str, set[str]] = defaultdict(set)
    for name, matchers in _MATCHERS.findall(text):
        metrics[name].update(_MATCHED.findall(matchers))
    for name in _NAME.findall(_MATCHERS.sub(r"\1 ", text)):
        if name not in _KEYWORDS:
            metrics[name].update()
    return Names(dict(metrics), groups)
