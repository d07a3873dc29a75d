"""Each container of csms runs a command and options that exist: the real command line reads them."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cyclopts import App, CycloptsError

from admin.cli.csms import app
from loadtest.__main__ import app as loadtest_app
from tests.k8s.rules.objects import Object, Objects, containers
from tests.k8s.rules.product import is_csms

_FITTING = {"Deployment": ("gateway", "admin"), "CronJob": ("backup",), "Job": ("loadtest",)}
"""The commands that each kind of workload may run."""
_RECORD = """#!/bin/sh
printf '%s\\n' "$@" > "$(dirname "$0")/words"
"""


def commands_exist(objects: Objects) -> Iterator[str]:
    for pod, container, words in containers(objects):
        if not is_csms(container):
            continue
        if "command" in container and pod.owner["kind"] != "Job":
            yield f"{words}: command is {container['command']}; it must be absent, as the image has it"
            continue
        spoken = _read_words(container)
        if (refusal := _refusal(spoken)) is not None:
            yield f"{words}: csms refuses `{' '.join(spoken)}`: {refusal}"
        elif spoken[0] not in _FITTING.get(pod.owner["kind"], ()):
            yield f"{words}: a {pod.owner['kind']} must not run csms {spoken[0]}"
        elif "command" not in container and "--config" not in spoken:
            yield f"{words}: its args have no --config, but the settings are in a mounted file"


def _read_words(container: Object) -> tuple[str, ...]:
    """Return the words that csms gets."""
    if "command" not in container:
        return tuple(container.get("args", []))
    variables = {one["name"]: str(one.get("value", "")) for one in container.get("env", [])}
    return _run(tuple(container["command"]), tuple(variables.items()))


@cache
def _run(command: tuple[str, ...], variables: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Run a command of a shell with a stand-in for csms, which records its words."""
    with TemporaryDirectory() as directory:
        csms = Path(directory, "csms")
        csms.write_text(_RECORD)
        csms.chmod(0o755)
        environ = {"PATH": f"{directory}:/usr/bin:/bin", "JOB_COMPLETION_INDEX": "0", **dict(variables)}
        subprocess.run(command, env=environ, capture_output=True, check=False, timeout=60)
        words = Path(directory, "words")
        return tuple(words.read_text().splitlines()) if words.exists() else ()


@cache
def _refusal(words: tuple[str, ...]) -> str | None:
    """Return why csms cannot read these words, or None."""
    if not words:
        return "there is no command"
    if words[0] == "loadtest":
        return _parse(loadtest_app, words[1:])
    return _parse(app, words)


def _parse(reader: App, words: tuple[str, ...]) -> str | None:
    try:
        reader.parse_args(words, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        # A list of all commands would follow.
        return " ".join(str(error).split()).partition(" Available commands:")[0]
    return None
