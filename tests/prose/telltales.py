"""Words that are typical of sentences that an engineer must read twice.

The patterns are coarse. They find most such sentences, and sometimes one that is clear.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.prose.sentences import Sentence

_VERB = "(is|are|was|were|has|have|had|may|might|can|could|will|would|must|does|do)"
_NETWORK = "(a|the|its?|another) (NAT|proxy|proxies|load|balancer|firewall|TLS|modem|router)"
_VERB = "(is|are|was|were|has|have|had|may|might|can|could|will|would|must|does|do)"
_NETWORK = "(a|the|its?|another) (NAT|proxy|proxies|load|balancer|firewall|TLS|modem|router)"
_PRONOUN = "(it|they|he|we|you|nobody|nothing|none|there|this|that|what|who|some|then|otherwise)"
_ASKED = "(Was|Were|Had|Should|Did|Is|Are|Has|Have|Does|Do|Would|Can|May)"
_TELLTALES = {
    "`who` or `what` as a subject": (
        r"^(Who|Whoever|What|Whatever)\b(?![^.]*\?)",
        r"[,;:] (who|whoever|whatever) (?!is|are)",
        r"\b(whoever|those who|he who|for who|to who|by who|of who)\b",
    ),
    "`behind` for `after`": (rf"\bbehind (?!{_NETWORK})",),
    "`tell` for `report`": (r"\b(tells?|telling|told)\b(?! (us )?apart)",),
    "`for` for `because`": (
        rf"(, |; |: |^)[Ff]or {_PRONOUN} ",
        rf"(, |; |: |^)[Ff]or (a|an|the|its|our|their|no|each|every) [\w' -]+? {_VERB}\b",
    ),
    "`is no`": (r"(?<![Tt]here )\b(is|are|was|were|be) no (?!longer|more\b|matter|such|later|earlier)",),
    "`is none of`": (r"\b(is|are|was) (none|nothing) of\b",),
    "inversion": (rf"(^|[,;:] ){_ASKED} (it|they|the|a|an|this|that|one|we|there|nobody)\b(?![^.]*\?)",),
    "an odd word": (
        r"\b(for want of|bears? with|at hand|dawdl\w+|of late|thereof|therein|upon|nobody waits)\b",
        r"\b(forthwith|whereupon|anew|meanwhile|by and by|in turns|so much as|is due|is meant)\b",
        r"\b(says? so|said so|all the same|gets? to know|come to know|let go|g[ai]ves? way)\b",
        r"\bwhat bec[ao]mes? of\b",
    ),
}
_PATTERNS = {name: re.compile("|".join(patterns)) for name, patterns in _TELLTALES.items()}


class Hit(NamedTuple):
    telltale: str
    sentence: Sentence


def hits(sentences: Iterable[Sentence]) -> Iterator[Hit]:
    """Yield each sentence once per tell-tale that it contains."""
    for sentence in sentences:
        for name, pattern in _PATTERNS.items():
            if pattern.search(sentence.text):
                yield Hit(name, sentence)
