"""Words that mark a value as secret if the name of the value contains one."""

import re

MASK = "***"
WORDS = (
    *("authorization key", "password", "passwd", "pass phrase", "pwd", "secret", "credential", "cookie"),
    *("token", "api key", "private key", "pre shared key", "basic auth", "pepper"),
)
"""A space means an optional separator. state/ has a copy of these words, and a test compares both."""
PATTERN = "|".join(word.replace(" ", r"[\s_.-]?") for word in WORDS)

_BARE_WORDS = tuple(word.replace(" ", "") for word in WORDS)
_JOINTS = re.compile(r"[\W_]+")
_LENGTH_MAX = 256
"""Only this many characters of a name are checked, so that a hostile frame stays cheap."""


def names_secret(name: str) -> bool:
    """Return whether the name of a configuration key, member or setting marks its value as secret."""
    return has_secret_word(bare_name(name))


def has_secret_word(bare: str) -> bool:
    """Return the same as `names_secret` for a name that `bare_name` returned."""
    return any(word in bare for word in _BARE_WORDS)


def ends_with_secret(name: str) -> bool:
    """Return whether the last word of the name is secret, as in `api_token` but not in `token_id`."""
    return bare_name(name).endswith(_BARE_WORDS)


def bare_name(name: str) -> str:
    """Return the name in lower case without separators, for comparisons."""
    return _JOINTS.sub("", name[:_LENGTH_MAX]).casefold()
