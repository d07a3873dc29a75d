"""The admin process (`csms admin`) with its inbox, the event feed, the API and the probes."""

import signal
from collections.abc import Callable, Iterator
from functools import partial

import structlog
import trio

from admin.app import create_app
from admin.archive.archive import Reader
from admin.archive.task import Archiving
from admin.backup_age import BackupAge
from admin.batches.task import Batches
from admin.config import AdminConfig
from admin.downloads import Downloads
from admin.hypercorn import begin_listening, bind, serve_app
from admin.inbox import Inbox
from admin.nodes import Nodes
from admin.pki.authority import ends_of
from admin.pki.authority import load as load_authority
from admin.pki.expiry import Expiry
from admin.pki.signing import Signing
from admin.pki.signing import run as run_signing
from admin.retention.completion import Completion
from admin.retention.packing import Packing
from admin.retention.policies import Policies
from admin.services import Services
from admin.troubles import Examining
from gateway.service import collector, hangups, health, log_bound, logs, metrics
from gateway.service.attempts import Attempts
from gateway.service.metrics import Reading
from gateway.service.networks import read_networks
from gateway.service.store_metrics import store_readings
from state.events.feed import Feed
from state.meta import FORMAT
from state.nodes import nodes
from state.patience import repeat_step, wait_for
from state.release import release
from state.store import start_store
from state.tenants import pepper as peppers

type Ready = Callable[[dict[str, int]], None]

_log = structlog.get_logger("csms.admin")


def run(config: AdminConfig, ready: Ready) -> None:
    """Serve until SIGTERM or SIGINT. Call `ready` once, with the ports `admin` and `health`.

    While the store is away, the start waits: the process is alive but not ready, and does not listen for
    requests. Raises StoreRefused, ConfigError and OSError. The text of each error is one clear line.
    """
    logs.configure(config.logs.level, config.logs.format)

    def settle_and_report(ports: dict[str, int]) -> None:
        collector.settle()
        ready(ports)

    hangups.run(_until_signalled, config, settle_and_report)


async def serve_admin(config: AdminConfig, stop: trio.Event, ready: Ready) -> None:
    """Serve like `run`, but until `stop` is set."""
    pepper = config.security.pepper.encode()
    listening, limits = config.listen, config.limits
    authority = load_authority(config.pki)
    trusted = read_networks("listen.trusted_proxies", listening.trusted_proxies)
    attempts = Attempts(
        per_address=config.security.failures_per_minute_and_address,
        per_name=config.security.failures_per_minute_and_key,
    )
    with bind(listening.host, listening.port, unacknowledged_s=limits.unacknowledged_s) as listener:
        async with start_store(config.store) as store, trio.open_nursery() as nursery:
            serving = False
            inbox, feed = Inbox(store, nodes.new_incarnation()), Feed(store, nursery)
            seen = Nodes(store, inbox.incarnation)
            signing = Signing(store, inbox.incarnation, authority, config.pki.charge_point_days)
            expiry = Expiry(store)
            archiving = Archiving(store, inbox.incarnation, config.archive, config.retention)
            packing = Packing(store, inbox.incarnation, config.packing)
            policies = Policies(store, inbox.incarnation)
            examining = Examining(store, inbox.incarnation)
            backup_age = BackupAge(store)
            downloads = Downloads(limits.downloads)
            services = Services(
                store,
                pepper,
                inbox,
                seen,
                feed,
                limits.event_clients,
                signing,
                downloads,
                attempts=attempts,
                trusted_proxies=trusted,
                archive=None if archiving.directory is None else Reader(archiving.directory),
            )
            batches = Batches(services)
            app = create_app(services, limits)
            lag = metrics.LoopLag()
            nursery.start_soon(log_bound.report)
            nursery.start_soon(lag.watch)
            registry = metrics.new_registry(
                partial(metrics.build, release(), FORMAT),
                lag.readings,
                partial(store_readings, store),
                partial(readings, services, expiry),
                downloads.readings,
                archiving.readings,
                packing.readings,
                policies.readings,
                examining.readings,
                backup_age.readings,
                batches.readings,
            )
            probes = partial(
                health.serve_health,
                listening.health_host,
                listening.health_port,
                # A process that was ready stays ready if the store goes away, because requests then get a
                # 503 with the reason.
                ready=lambda: serving and not stop.is_set(),
                trouble=store.describe_trouble,
                registry=registry,
            )
            health_port = await nursery.start(probes)
            await wait_for(store)
            await repeat_step(peppers.check, store, pepper)
            await nursery.start(inbox.run, nodes.describe_process(store, "admin"))
            nursery.start_soon(seen.run)
            nursery.start_soon(run_signing, signing)
            nursery.start_soon(expiry.run)
            nursery.start_soon(archiving.run)
            nursery.start_soon(packing.run)
            nursery.start_soon(Completion(store, inbox.incarnation).run)
            nursery.start_soon(policies.run)
            nursery.start_soon(examining.run)
            nursery.start_soon(backup_age.run)
            nursery.start_soon(batches.run)
            begin_listening(listener)
            async with trio.open_nursery() as requests:
                await requests.start(serve_app, app, listener, limits, stop)
                serving = True
                ports = {"admin": listener.getsockname()[1], "health": health_port}
                _log.info("admin.started", host=listening.host, **ports)
                ready(ports)
            nursery.cancel_scope.cancel()


async def _until_signalled(config: AdminConfig, ready: Ready) -> None:
    stop, serving = trio.Event(), trio.Event()

    def announce(ports: dict[str, int]) -> None:
        serving.set()
        ready(ports)

    async with trio.open_nursery() as nursery:

        async def watch(task_status: trio.TaskStatus[None]) -> None:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                task_status.started()
                async for number in signals:
                    _log.info("signal.received", signal=signal.Signals(number).name)
                    stop.set()
                    # Until the API serves, the start may still wait for the store. Cancelling the start cuts
                    # off no request.
                    if not serving.is_set():
                        nursery.cancel_scope.cancel()

        await nursery.start(watch)
        await serve_admin(config, stop, announce)
        nursery.cancel_scope.cancel()


_EXPIRING_HELP = "Client certificates of all tenants that csms issued, by the time until they expire. Each \
certificate is counted once. A certificate that was replaced or revoked is counted for up to a day."


def readings(services: Services, expiry: Expiry) -> Iterator[Reading]:
    authority = services.signing.authority
    yield Reading(
        "csms_admin_event_clients",
        "Clients that read a stream of events now.",
        services.feed.subscribers,
        "gauge",
    )
    yield Reading(
        "csms_admin_waiting_requests",
        "Requests that wait for the end of a command.",
        services.inbox.waiting,
        "gauge",
    )
    yield Reading("csms_certificates_expiring", _EXPIRING_HELP, expiry.counts, "gauge", "within")
    yield Reading(
        "csms_certificate_authority_not_after_seconds",
        "Time at which each issuing authority of this process expires, in Unix seconds.",
        {} if authority is None else ends_of(authority),
        "gauge",
        "family",
    )
    yield Reading(
        "csms_admin_requests",
        "Answers to API requests, by route (with the names of its parts), method and status.",
        services.answers.counts,
        label=("route", "method", "status"),
    )
    yield Reading(
        "csms_admin_request_seconds",
        "Seconds until API requests were answered, by method. Requests that wait for a charge point take as "
        "long as it does.",
        services.answers.seconds,
        "histogram",
        "method",
    )
