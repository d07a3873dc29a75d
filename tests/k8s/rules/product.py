"""The manifests against the product: settings, files, ports and probes that exist in the process.

The settings are read by the loader of the product, with made-up secrets.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from admin.config import AdminConfig
from gateway.config import GatewayConfig
from gateway.service.config import PREFIX, ConfigError, load
from tests.k8s.operator_secrets import SECRETS
from tests.k8s.rules.objects import Object, Objects, Pod, containers, name_of, namespace_of, of_kind, pods

_NAMED_FILE = re.compile(r"/(?:etc|run)/[\w./-]*\w")
_LOOPBACK = ("127.", "::1", "localhost")
_MADE_UP = "made-up " * 8
_LOADING_S = 300
_GRACE_TO_SPARE_S = 30


@dataclass(frozen=True, kw_only=True)
class Process:
    """A container that runs csms with a configuration."""

    objects: Objects
    pod: Pod
    container: Object
    words: str

    @property
    def kind(self) -> str:
        return str(self.container["args"][0])

    @cached_property
    def config(self) -> GatewayConfig | AdminConfig | ConfigError:
        files = mounted_files(self.objects, self.pod, self.container)
        variables = {
            variable["name"]: str(variable.get("value", "")) for variable in self.container.get("env", [])
        }
        mounts = [mount["mountPath"] for mount in self.container.get("volumeMounts", [])]
        return _load(
            self.kind,
            _configuration_of(self.container) or "",
            tuple((path, text or _MADE_UP) for path, text in files.items()),
            tuple(variables.items()),
            tuple(mounts),
        )

    @property
    def ports(self) -> dict[str, int | None]:
        match self.config:
            case GatewayConfig(listen=listen):
                ports = {"wss": listen.wss_port, "ws": listen.ws_port, "health": listen.health_port}
                return {name: port for name, port in ports.items() if port is not None}
            case AdminConfig(listen=listen):
                return {"api": listen.port, "health": listen.health_port}
            case _:
                return {}

    @property
    def drain_s(self) -> float:
        """Seconds for which the process serves after SIGTERM, by its configuration."""
        match self.config:
            case GatewayConfig(drain=drain):
                return drain.window_s
            case AdminConfig(limits=limits):
                return limits.graceful_s
            case _:
                return 0


@cache  # Many rules ask for the same configuration.
def _load(
    kind: str,
    main: str,
    files: tuple[tuple[str, str], ...],
    variables: tuple[tuple[str, str], ...],
    mounts: tuple[str, ...],
) -> GatewayConfig | AdminConfig | ConfigError:
    """Read the configuration as the process does, but below a temporary directory instead of /."""
    with TemporaryDirectory() as directory:

        def moved(text: str) -> str:
            for mount in mounts:
                text = text.replace(f"{mount}/", f"{directory}{mount}/")
            return text

        for path, text in files:
            file = Path(directory + path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(moved(text))
        environ = {name: moved(text) for name, text in variables}
        try:
            if kind == "gateway":
                return load(GatewayConfig, Path(directory + main), environ)
            return load(AdminConfig, Path(directory + main), environ)
        except ConfigError as error:
            return ConfigError(str(error).replace(directory, ""))


def configured(objects: Objects) -> Iterator[Process]:
    """Yield each container of csms that reads a configuration, those of jobs included."""
    for pod, container, words in containers(objects):
        if is_csms(container) and _configuration_of(container) is not None:
            yield Process(objects=objects, pod=pod, container=container, words=words)


def processes(objects: Objects) -> Iterator[Process]:
    """Yield each container that runs `csms gateway` or `csms admin`."""
    return (one for one in configured(objects) if one.kind in {"gateway", "admin"})


def is_csms(container: Object) -> bool:
    name: str = container["image"].partition("@")[0].rpartition("/")[2].partition(":")[0]
    return name == "csms"


def _configuration_of(container: Object) -> str | None:
    """Return the path of the TOML file in the arguments."""
    if "command" in container:
        return None
    arguments = container.get("args", [])
    return next((path for option, path in pairwise(arguments) if option == "--config"), None)


def mounted_files(objects: Objects, pod: Pod, container: Object) -> dict[str, str | None]:
    """Return the path and the text of each file of a ConfigMap or Secret. The text of a secret is None."""
    data = {
        name_of(thing): thing.get("data", {})
        for thing in of_kind(objects, "ConfigMap")
        if namespace_of(thing) == pod.namespace
    }
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
    files: dict[str, str | None] = {}
    for mount in container.get("volumeMounts", []):
        volume = volumes.get(mount["name"], {})
        if "configMap" in volume:
            texts = data.get(volume["configMap"]["name"], {})
            taken = _taken(volume["configMap"], texts)
            files |= {f"{mount['mountPath']}/{path}": str(texts.get(key, "")) for key, path in taken}
        elif "secret" in volume:
            names = SECRETS.get(volume["secret"]["secretName"], ())
            files |= {f"{mount['mountPath']}/{path}": None for _, path in _taken(volume["secret"], names)}
    return files


def _taken(source: Object, keys: Iterable[str]) -> list[tuple[str, str]]:
    """Return the keys that a volume takes of its source, and the names of their files."""
    if "items" in source:
        return [(item["key"], item["path"]) for item in source["items"]]
    return [(key, key) for key in keys]


def _spoken(objects: Objects, pod: Pod, container: Object) -> str:
    """All texts by which a container could learn of a file: its command and its configuration."""
    texts = [*container.get("command", []), *container.get("args", [])]
    texts += [str(variable.get("value", "")) for variable in container.get("env", [])]
    texts += [text for text in mounted_files(objects, pod, container).values() if text is not None]
    return "\n".join(texts)


def settings_exist(objects: Objects) -> Iterator[str]:
    for process in configured(objects):
        if isinstance(process.config, ConfigError):
            yield f"{process.words}: csms refuses its configuration: {process.config}"


def variables_are_read(objects: Objects) -> Iterator[str]:
    """The loader of the product refuses an unknown CSMS__ variable, but ignores one without this prefix."""
    ours = {id(process.container) for process in configured(objects)}
    for _, container, words in containers(objects):
        spoken = " ".join([*container.get("command", []), *container.get("args", [])])
        if id(container) in ours and "envFrom" in container:
            yield f"{words}: envFrom must be absent, because nothing can check the variables that it makes"
        for variable in container.get("env", []):
            name = variable["name"]
            if id(container) in ours and not name.startswith(PREFIX):
                yield f"{words}: csms does not read the variable {name}; its name must begin with {PREFIX}"
            elif id(container) not in ours and not re.search(rf"\$\{{?{name}\b", spoken):
                yield f"{words}: the command does not use the variable {name}; remove it"


def mounted_files_are_named(objects: Objects) -> Iterator[str]:
    for pod, container, words in containers(objects):
        spoken = set(_NAMED_FILE.findall(_spoken(objects, pod, container)))
        for path in mounted_files(objects, pod, container):
            if path not in spoken:
                yield f"{words}: no setting names the mounted file {path}; name it or do not mount it"


def named_files_are_mounted(objects: Objects) -> Iterator[str]:
    for pod, container, words in containers(objects):
        files = mounted_files(objects, pod, container)
        for path in sorted(set(_NAMED_FILE.findall(_spoken(objects, pod, container))) - files.keys()):
            yield f"{words}: the file {path} is named, but no volume has it; mount the volume that has it"


def only_admin_has_the_keys_of_authorities(objects: Objects) -> Iterator[str]:
    """A gateway is reached from the internet, so it must not be able to sign certificates."""
    admins = {process.pod.title for process in processes(objects) if process.kind == "admin"}
    for pod in pods(objects):
        names = {volume.get("secret", {}).get("secretName") for volume in pod.spec.get("volumes", [])}
        if "csms-pki" in names and pod.title not in admins:
            yield f"{pod.title}: it mounts the Secret csms-pki; only an admin process may have these keys"


def ports_are_those_of_the_process(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        if isinstance(process.config, ConfigError):
            continue
        declared = {port.get("name"): port["containerPort"] for port in process.container.get("ports", [])}
        if declared != process.ports:
            yield (
                f"{process.words}: ports are {declared}; "
                f"they must be {process.ports}, as in the configuration of the process"
            )
    for pod, container, words in containers(objects):
        if not is_csms(container):
            spoken = _spoken(objects, pod, container)
            for port in container.get("ports", []):
                if not re.search(rf"\b{port['containerPort']}\b", spoken):
                    yield (
                        f"{words}: nothing configures port {port['containerPort']}; "
                        "name the port of the process"
                    )


def processes_listen_beyond_loopback(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        if isinstance(process.config, ConfigError):
            continue
        listen = process.config.listen
        for field, host in (("host", listen.host), ("health_host", listen.health_host)):
            if host.startswith(_LOOPBACK):
                yield (
                    f"{process.words}: listen.{field} is {host}, where neither the kubelet nor a Service "
                    "reaches the process; it must be 0.0.0.0"
                )


def probes_ask_ports_that_exist(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        known = {p[key] for p in container.get("ports", []) for key in ("name", "containerPort") if key in p}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            for action in ("httpGet", "tcpSocket", "grpc"):
                port = container.get(probe, {}).get(action, {}).get("port")
                if port is not None and port not in known:
                    yield (
                        f"{words}: {probe} asks port {port}, which the container does not have; "
                        f"it must be one of {', '.join(sorted(map(str, known)))}"
                    )


def probes_ask_what_they_should(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        for probe, right in (
            # A process that waits for its store is alive and not ready, and the kubelet must not end it.
            ("startupProbe", "/livez"),
            ("livenessProbe", "/livez"),
            ("readinessProbe", "/readyz"),
        ):
            path = process.container.get(probe, {}).get("httpGet", {}).get("path")
            if path != right:
                yield f"{process.words}: {probe} asks {path}; it must ask {right}"


def a_store_may_load_its_file_for_minutes(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        probe = container.get("startupProbe", {})
        # A process of csms is alive while it waits for its store.
        if "ports" not in container or probe.get("httpGet", {}).get("path") == "/livez":
            continue
        probe_s = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3) if probe else 0
        if probe_s < _LOADING_S:
            yield (
                f"{words}: startupProbe gives {probe_s} s; it must be {_LOADING_S} s or more, "
                "because a large store loads its file for minutes"
            )


def a_rollout_may_wait_for_the_store(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        patience_s = process.pod.owner["spec"].get("progressDeadlineSeconds", 600)
        if patience_s < _LOADING_S:
            yield (
                f"{process.pod.title}: progressDeadlineSeconds is {patience_s}; it must be {_LOADING_S} or "
                "more, because a process is not ready while its store loads"
            )


def the_grace_fits_the_drain(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        sleep_s = process.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        least_s = sleep_s + process.drain_s + _GRACE_TO_SPARE_S
        grace_s = process.pod.spec.get("terminationGracePeriodSeconds", 30)
        if grace_s < least_s:
            yield (
                f"{process.pod.title}: terminationGracePeriodSeconds is {grace_s}; it must be at least "
                f"{least_s:.0f}: {sleep_s} of preStop, {process.drain_s:.0f} of drain and {_GRACE_TO_SPARE_S}"
            )


def pods_stay_ready_before_sigterm(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        sleep_s = process.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if sleep_s < 5:
            yield (
                f"{process.words}: the preStop sleep is {sleep_s} s; it must be 5 s or more, "
                "because load balancers still send connections for some seconds"
            )


def csms_pods(objects: Objects) -> list[Pod]:
    return [pod for pod in pods(objects) if any(map(is_csms, pod.containers))]
