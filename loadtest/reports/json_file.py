"""The file of a run's results."""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, get_origin

import msgspec

from gateway.ocpp16.frames import DECODE_ERRORS
from loadtest.measuring.histograms import BadHistogram, Distribution
from loadtest.results import FORMAT, Results, read_counter


class BadResults(Exception):  # noqa: N818  it says what happened
    """A file of results that cannot be used. The text names the file, and says what would be right."""


def encode(results: Results) -> bytes:
    return msgspec.json.encode(results)


def decode(content: bytes) -> Results:
    """Read what `encode` wrote. Raises one of DECODE_ERRORS."""
    return _decoder.decode(content)


def write(results: Results, path: Path) -> None:
    """Write the file. An older file stays whole until the new one is. Raises OSError."""
    half = path.with_name(f"{path.name}.part")
    try:
        half.write_bytes(msgspec.json.format(encode(results), indent=1) + b"\n")
        half.replace(path)
    except OSError:
        with suppress(OSError):
            half.unlink()
        raise


def read(path: Path) -> Results:
    """Read a file, and look at each histogram in it. Raises BadResults."""
    try:
        content = path.read_bytes()
        # The format comes first, because another format may have other members.
        if (found := _read_head(content).format) != FORMAT:
            raise BadResults(
                f"{path}: format {found} is not known; use the release of csms that wrote the file"
            )
        results = decode(content)
    except OSError as error:
        raise BadResults(f"{path}: {error.strerror}; name a file that `csms loadtest run` wrote") from None
    except DECODE_ERRORS as error:
        raise BadResults(f"{path}: {error}; name a file that `csms loadtest run` wrote") from None
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


class _Head(msgspec.Struct):
    format: int = FORMAT


_decoder = msgspec.json.Decoder(Results, dec_hook=read_counter)
_read_head = msgspec.json.Decoder(_Head).decode
