"""The TLS files of a gateway: certificates, client authorities and revocation lists.

The files are read again when they have changed, and after SIGHUP. New connections then use the new files, and
open connections stay. A file that cannot be used changes nothing: the gateway goes on with what it has, and
tries the file again at each look.
"""

import signal
from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from gateway.config import GatewayConfig
from gateway.handlers.charge_point import now_ms
from gateway.revocations import Revocations
from gateway.service.config import ConfigError
from gateway.service.revocation_lists import read_authorities, read_lists
from gateway.service.tls_files import read_end, read_server_names
from gateway.websocket.tls import ClientCertificates, ServerContext, server_context

LOOK_S = 10.0

_log = structlog.get_logger()

type _Look = tuple[tuple[int, ...] | None, ...]


class TlsEdge:
    """What the TLS listeners of a gateway need. Call `load` before anything else.

    `failures` counts the looks at which a changed file could not be used.
    """

    def __init__(self, config: GatewayConfig, revocations: Revocations) -> None:
        self._tls = config.tls
        self._separate = config.listen.client_certificate_port is not None
        self._revocations = revocations
        self.failures = 0
        self.ends: dict[str, float] = {}
        """When each server certificate that is in use expires, in Unix seconds, by the file of its chain."""
        authorities = [] if self._tls.client_authorities_file is None else [self._tls.client_authorities_file]
        pairs = [name for pair in self._tls.certificates for name in (pair.chain_file, pair.key_file)]
        self._parts = (
            _Part("certificates", [*pairs, *authorities], self._load_contexts),
            _Part("revocation lists", [*self._tls.revocation_list_files, *authorities], self._load_lists),
        )
        self._context: ServerContext
        self._demanding: ServerContext

    def context(self) -> ServerContext:
        """Return the context for a new connection to `listen.wss_port`."""
        return self._context

    def demanding_context(self) -> ServerContext:
        """Return the context for a new connection to `listen.client_certificate_port`."""
        return self._demanding

    def load(self) -> None:
        """Read all files. Raises ConfigError with one line that names the file."""
        tls = self._tls
        if not tls.certificates:
            raise ConfigError(
                "tls.certificates is empty, but listen.wss_port needs one; give an ECDSA and an RSA "
                "certificate"
            )
        if tls.client_authorities_file is None and (self._separate or tls.revocation_list_files):
            needs = "listen.client_certificate_port" if self._separate else "tls.revocation_list_files"
            raise ConfigError(
                f"tls.client_authorities_file is missing, but {needs} needs it; give the certificates of the "
                "authorities that may sign client certificates"
            )
        for part in self._parts:
            part.load()
        if tls.static_rsa:
            _log.warning("tls.static_rsa_allowed")
        _log.info(
            "tls.loaded",
            client_authorities=tls.client_authorities_file,
            strict_client_certificates=tls.strict_client_certificates,
            require_sni=tls.require_sni,
            revocation_lists=len(tls.revocation_list_files),
        )

    async def watch(self) -> None:
        """Look at the files every 10 s and after each SIGHUP, until cancelled."""
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            while True:
                self._revocations.warn_of_overdue_lists(now_ms())
                hung_up = False
                with trio.move_on_after(LOOK_S):
                    await anext(hangups)
                    hung_up = True
                await self.look(everything=hung_up)

    async def look(self, *, everything: bool = False) -> None:
        """Read the files that have changed, or all files."""
        for part in self._parts:
            try:
                read = await trio.to_thread.run_sync(part.look, everything)
            except ConfigError as error:
                self.failures += 1
                if part.is_news(str(error)):
                    _log.error("tls.reload_failed", what=part.what, error=str(error))
            else:
                if read:
                    _log.info("tls.reloaded", what=part.what, files=part.files)

    def _load_contexts(self) -> None:
        """Make both contexts before either is used."""
        tls = self._tls
        asks = tls.client_authorities_file is not None and not self._separate
        context = self._make_context("optional" if asks else "ignored")
        demanding = self._make_context("required") if self._separate else context
        self._context, self._demanding = context, demanding

    def _make_context(self, client_certificates: ClientCertificates) -> ServerContext:
        tls = self._tls
        files = [(Path(pair.chain_file), Path(pair.key_file)) for pair in tls.certificates]
        names = read_server_names(files)
        self.ends = {str(chain): read_end(chain) for chain, _ in files}
        authorities = None if tls.client_authorities_file is None else Path(tls.client_authorities_file)
        if authorities is not None:
            read_authorities(authorities)
        return server_context(
            files,
            server_names=tls.server_names or names,
            require_sni=tls.require_sni,
            static_rsa=tls.static_rsa,
            client_authorities=authorities,
            client_certificates=client_certificates,
            strict=tls.strict_client_certificates,
        )

    def _load_lists(self) -> None:
        tls = self._tls
        if tls.client_authorities_file is None or not tls.revocation_list_files:
            return
        authorities = read_authorities(Path(tls.client_authorities_file))
        files = map(Path, tls.revocation_list_files)
        self._revocations.set_lists([one for file in files for one in read_lists(file, authorities)])


class _Part:
    """Files that are read together."""

    def __init__(self, what: str, files: list[str], read: Callable[[], None]) -> None:
        self.what = what
        self.files = files
        self._read = read
        self._seen: _Look | None = None
        self._said = ""

    def load(self) -> None:
        seen = self._stat()  # A change during the reading is then found at the next look.
        try:
            self._read()
        except ConfigError:
            raise
        except Exception as error:
            # Whatever is in a file, the gateway must go on with what it has.
            raise ConfigError(
                f"tls: {', '.join(self.files)} cannot be used: {type(error).__name__}: {error}"
            ) from error
        self._seen, self._said = seen, ""

    def look(self, everything: bool) -> bool:  # noqa: FBT001  run_sync passes no keywords
        """Read the files if they have changed. Return whether they were read. Raises ConfigError."""
        if not self.files or (self._stat() == self._seen and not everything):
            return False
        self.load()
        return True

    def is_news(self, error: str) -> bool:
        """Return whether the error is another one than at the last look."""
        said, self._said = self._said, error
        return said != error

    def _stat(self) -> _Look:
        """Describe the files. A symlink, which Kubernetes swaps, counts as the file at which it points."""
        return tuple(_stat(Path(name)) for name in self.files)


def _stat(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
