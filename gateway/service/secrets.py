"""The words by which a name says that what it names is secret."""

import re

MASK = "***"
WORDS = (
    *("authorization key", "password", "passwd", "pass phrase", "pwd", "secret", "credential", "cookie"),
    *("token", "api key", "private key", "pre shared key", "basic auth", "pepper"),
)
"""A space stands where a name may have a separator. The state room has the same words (a test compares)."""
PATTERN = "|".join(word.replace(" ", r"[\s_.-]?") for word in WORDS)

_BARE_WORDS = tuple(word.replace(" ", "") for word in WORDS)
_JOINTS = re.compile(r"[\W_]+")
_LENGTH_MAX = 256
"""Characters of a name that are looked at; a longer one would make a hostile frame expensive."""


def names_secret(name: str) -> bool:
    """Whether the name of a configuration key, a member or a setting says that its value is secret."""
    return has_secret_word(bare_name(name))


def has_secret_word(bare: str) -> bool:
    """As `names_secret`, for a name that is bare already."""
    return any(word in bare for word in _BARE_WORDS)


def ends_with_secret(name: str) -> bool:
    """Whether the last word of this name is secret: `api_token` is, `token_id` is not."""
    return bare_name(name).endswith(_BARE_WORDS)


def bare_name(name: str) -> str:
    """Return the name without separators and case, as it is compared."""
    return _JOINTS.sub("", name[:_LENGTH_MAX]).casefold()
