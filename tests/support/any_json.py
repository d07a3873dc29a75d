"""Generated JSON values of every kind, as text: also forms that no encoder of Python writes."""

import json
import random
from collections.abc import Callable

_NUMBERS = (
    *("0", "-0", "1", "-1", "255", "256", "2147483648", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775809", "18446744073709551616", "1.5", "-0.0", "1.0", "26008.333", "1e2", "2.6008e4"),
    *("1E400", "-1e-400", "1e999999999999"),
)
_TEXTS = (
    *(
        "",
        " ",
        "0",
        "1",
        " 1 ",
        "+1",
        "1.0",
        "1.5",
        "1,5",
        "26,008",
        "26 008",
        "1e2",
        "0x1F",
        "1_000",
        "\u0661",
    ),
    *("NaN", "Infinity", "null", "true", "-1", "9" * 40, "T" * 21, "T" * 300, "x" * 3_000),
    *("Local", " local ", "Faulted", "Energy.Active.Import.Register", "kWh", "Wh"),
    *("2026-01-31T12:00:00Z", "2026-02-30T12:00:00Z", "2026-01-31 12:00:00", "31.01.2026", "0000-00-00"),
    *("\0", "\n", "a\nb", "\u2028", "😀", "é" * 25, "\\", '"', "$", "%s", "../..", "{}", "[]", "<a>"),
)
_WRITTEN = (
    *(r'"\ud800"', r'"\udfff\ud800"', r'"\ud83d\ude00"', r'"\/"', '{"a":1,"a":2}', "[ 1 ,\t2\r\n]"),
    *(
        "9" * 4_301,
        "-" + "9" * 5_000,
        "1." + "0" * 400,
        "[" * 200 + "]" * 200,
        '{"a":' * 200 + "1" + "}" * 200,
    ),
    *(
        "[null]",
        "[{}]",
        "[[]]",
        "[[{}]]",
        '[{"timestamp":null,"sampledValue":null}]',
        '[{"sampledValue":[null]}]',
    ),
    *('[{"timestamp":5,"sampledValue":{"value":5}}]', '{"timestamp":"","sampledValue":[{"value":[]}]}'),
)
_LEAVES: tuple[Callable[[random.Random], str], ...] = (
    lambda _: "null",
    lambda rng: rng.choice(("true", "false")),
    lambda rng: rng.choice(_NUMBERS),
    lambda rng: str(rng.randrange(-(2 ** rng.randrange(1, 80)), 2 ** rng.randrange(1, 80))),
    lambda rng: repr(rng.uniform(-1e6, 1e6)),
    lambda rng: json.dumps(rng.choice(_TEXTS), ensure_ascii=rng.random() < 0.5),
    lambda rng: json.dumps("".join(chr(rng.randrange(1, 0xD800)) for _ in range(rng.randrange(30)))),
    lambda rng: rng.choice(_WRITTEN),
)


def any_json(rng: random.Random, depth: int = 0) -> str:
    """Return the text of a JSON value of any kind."""
    kind = rng.random()
    if depth == 3 or kind < 0.75:
        return rng.choice(_LEAVES)(rng)
    inner = [any_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind < 0.87:
        return f"[{','.join(inner)}]"
    names = ("a", "", "timestamp", "sampledValue", "value", "unit", "context", "é")
    return "{" + ",".join(f"{json.dumps(rng.choice(names))}:{one}" for one in inner) + "}"
