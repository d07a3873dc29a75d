"""The Secrets that an operator makes, with the files in each. The manifests name them and hold none."""

SECRETS = {
    "csms": ("pepper", "store-url"),
    "csms-tls-ecdsa": ("tls.crt", "tls.key"),
    "csms-tls-rsa": ("tls.crt", "tls.key"),
    "valkey": ("users.acl",),
    "csms-client-authorities": ("client-authorities.pem",),
    "csms-pki": ("rsa-issuing.pem", "rsa-issuing.key", "ec-issuing.pem", "ec-issuing.key"),
    "csms-revocation-lists": ("revocation-lists.pem",),
    "loadtest": ("ca.crt", "start-at", "url"),
}
