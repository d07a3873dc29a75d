"""Fits the number of connections to the number of files that the process may open.

Without a free descriptor, a process could not answer its probes, reach its store or read its files.
"""

import msgspec
import structlog

from gateway.config import GatewayConfig
from gateway.service.config import ConfigError

KEPT_BACK = 96
"""Descriptors for probes, listeners, logs, TLS files and what Python opens. The store's come on top."""
FEWEST = 32
_HANDSHAKES_SHARE = 4
"""If descriptors are scarce, at most one in this number is for handshakes."""

_log = structlog.get_logger()


def fit_connections(config: GatewayConfig, files: int) -> GatewayConfig:
    """Lower `limits.connections` and `limits.handshakes_in_flight` to what `files` descriptors allow.

    Raises ConfigError if hardly any charge point could connect.
    """
    store, limits = config.store, config.limits
    kept_back = KEPT_BACK + store.connections + store.blocking_connections
    room = files - kept_back
    wanted = limits.connections + limits.handshakes_in_flight
    if wanted <= room:
        return config
    if room < FEWEST:
        raise ConfigError(
            f"this process may open only {files} files, but it needs {kept_back} for itself and one for each"
            f" connection; raise the limit of open files (ulimit -n, LimitNOFILE) to {wanted + kept_back}"
        )
    handshakes = min(limits.handshakes_in_flight, room // _HANDSHAKES_SHARE)
    connections = min(limits.connections, room - handshakes)
    _log.warning(
        "limits.lowered",
        connections=connections,
        handshakes_in_flight=handshakes,
        open_files=files,
        needed=wanted + kept_back,
    )
    fitted = msgspec.structs.replace(limits, connections=connections, handshakes_in_flight=handshakes)
    return msgspec.structs.replace(config, limits=fitted)
