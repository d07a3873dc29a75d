"""`python -m tests.chaos [LEG ...]`: break csms in the ways of docs/chaos.md, and judge what is left."""

import sys
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from tests.chaos import playing
from tests.chaos.all_legs import LEGS

app = App(name="python -m tests.chaos", version_flags=[])


@app.default
def main(
    *legs: str,
    scale: float = 1.0,
    seed: int = 1,
    minutes: float | None = None,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
) -> int:
    """Play the legs, by default all of them. The exit code is 1 if one of them failed.

    Parameters
    ----------
    scale
        1 plays the numbers of the acceptance, less plays a short form.
    seed
        Seed of all random choices of the legs. Times and processes still differ from run to run.
    minutes
        Length of a soak, instead of its own.
    list_
        Show the legs without playing them.
    """
    console = Console(width=None if sys.stdout.isatty() else 180)
    if unknown := set(legs) - set(LEGS):
        console.print(f"no such leg: {', '.join(sorted(unknown))}; --list shows all")
        return 2
    wanted = legs or tuple(LEGS)
    if list_:
        playing.describe((LEGS[name] for name in wanted), console)
        return 0
    played = []
    for name in wanted:
        console.print(f"{name}: {LEGS[name].sentence}", highlight=False)
        played.append(playing.play(name, scale, seed, minutes=minutes, aloud=True))
    playing.show(played, console)
    return 0 if all(one.passed for one in played) else 1


if __name__ == "__main__":
    sys.exit(app())
