"""Words in a name that mark its value as secret."""

import re

MASK = "***"
WORDS = (
    *("authorization key", "password", "passwd", "pass phrase", "pwd", "secret", "credential", "cookie"),
    *("token", "api key", "private key", "pre shared key", "basic auth", "pepper"),
)
"""A space means an optional separator. The state room has the same words; a test compares both."""
PATTERN = "|".join(word.replace(" ", r"[\s_.-]?") for word in WORDS)

_BARE_WORDS = tuple(word.replace(" ", "") for word in WORDS)
_JOINTS = re.compile(r"[\W_]+")
_LENGTH_MAX = 256
"""Most characters of a name that are checked, so that a hostile frame stays cheap."""


def names_secret(name: str) -> bool:
    """Return whether the name of a configuration key, member or setting marks its value as secret."""
    return has_secret_word(bare_name(name))


def has_secret_word(bare: str) -> bool:
    """Do the same as `names_secret` with a name that is bare already."""
    return any(word in bare for word in _BARE_WORDS)


def ends_with_secret(name: str) -> bool:
    """Return whether the last word of the name is secret, as in `api_token` but not in `token_id`."""
    return bare_name(name).endswith(_BARE_WORDS)


def bare_name(name: str) -> str:
    """Return the name in lower case without separators, for comparisons."""
    return _JOINTS.sub("", name[:_LENGTH_MAX]).casefold()
