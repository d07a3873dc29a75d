"""The file of a run's results."""

from collections import Counter
from pathlib import Path
from typing import Any, get_origin

import msgspec

from loadtest.measuring.histograms import BadHistogram, Distribution
from loadtest.results import FORMAT, Results, read_counter


class BadResults(Exception):  # noqa: N818  it says what happened
    """A file of results that cannot be used. The text names the file, and says what would be right."""


def encode(results: Results) -> bytes:
    return msgspec.json.encode(results)


def decode(content: bytes) -> Results:
    """Read what `encode` wrote. Raises msgspec.DecodeError."""
    return _decoder.decode(content)


def write(results: Results, path: Path) -> None:
    """Write the file. An older file stays whole until the new one is. Raises OSError."""
    half = path.with_name(f"{path.name}.part")
    half.write_bytes(msgspec.json.format(encode(results), indent=1) + b"\n")
    half.replace(path)


def read(path: Path) -> Results:
    """Read a file, and look at each histogram in it. Raises BadResults."""
    try:
        results = decode(path.read_bytes())
    except OSError as error:
        raise BadResults(f"{path}: {error.strerror}; name a file that `csms loadtest run` wrote") from None
    except msgspec.DecodeError as error:
        raise BadResults(f"{path}: {error}; name a file that `csms loadtest run` wrote") from None
    if results.format != FORMAT:
        raise BadResults(
            f"{path}: format {results.format} is not known; use the release of csms that wrote the file"
        )
    _look_at(results, path)
    return results


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file."""
    (reference,), components = msgspec.json.schema_components(
        [Results], schema_hook=_schema_of, ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Results of csms loadtest",
        **reference,
        "$defs": components,
    }


def _look_at(results: Results, path: Path) -> None:
    places = [
        *((f"latencies[{n}].hdr", latency.hdr) for n, latency in enumerate(results.latencies)),
        *((f"slices.hdr[{n}]", hdr) for n, hdr in enumerate(results.slices.hdr)),
    ]
    for place, hdr in places:
        try:
            Distribution.of_hdr([hdr])
        except BadHistogram as error:
            raise BadResults(f"{path}: {place}: {error}; use the file as the run wrote it") from None


def _schema_of(expected: type) -> dict[str, Any]:
    if get_origin(expected) is not Counter and expected is not Counter:
        raise NotImplementedError(expected)
    return {"type": "object", "additionalProperties": {"type": "integer"}}


_decoder = msgspec.json.Decoder(Results, dec_hook=read_counter)
