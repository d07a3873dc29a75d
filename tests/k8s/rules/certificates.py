"""The certificates of the gateways: charge points that cannot use ECDSA use RSA."""

from collections.abc import Iterator

from tests.k8s.operator_secrets import SECRETS
from tests.k8s.rules.objects import Objects, containers, name_of, of_kind, title
from tests.k8s.rules.product import processes

_TLS = {name for name, files in SECRETS.items() if "tls.key" in files}
_USAGES = {"digital signature", "server auth"}


def gateways_have_both_key_types(objects: Objects) -> Iterator[str]:
    gateways = {id(one.container) for one in processes(objects) if one.kind == "gateway"}
    for pod, container, words in containers(objects):
        if id(container) not in gateways:
            continue
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        mounted = {v.get("secret", {}).get("secretName") for v in pod.spec["volumes"] if v["name"] in mounts}
        for name in sorted(_TLS - mounted):
            yield f"{words}: it does not mount the Secret {name}; charge points need both key types"


def certificates_are_of_both_key_types(objects: Objects) -> Iterator[str]:
    made = {}
    for thing in of_kind(objects, "Certificate"):
        spec = thing["spec"]
        key = str(spec.get("privateKey", {}).get("algorithm", "RSA"))
        made[spec["secretName"]] = spec.get("dnsNames")
        if name_of(thing) != spec["secretName"] or not spec["secretName"].endswith(key.lower()):
            yield (
                f"{title(thing)}: its secretName is {spec['secretName']}, and its key is {key}; "
                f"its name and its secretName must be csms-tls-{key.lower()}"
            )
        if missing := sorted(_USAGES - set(spec.get("usages", []))):
            yield f"{title(thing)}: usages lack {', '.join(missing)}; charge points would refuse it"
    issuers = {str(thing["spec"].get("issuerRef")) for thing in of_kind(objects, "Certificate")}
    if len(issuers) > 1:
        yield "Certificate: the issuerRefs differ; both must have the same issuer"
    if made and (made.keys() < _TLS):
        yield f"Certificate {min(_TLS - made.keys())}: it is missing; charge points need both key types"
    if len({str(names) for names in made.values()}) > 1:
        yield "Certificate: the dnsNames differ; both must have the same, because the key type decides"
