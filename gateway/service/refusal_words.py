"""What each reason for a refused handshake means for an operator, and what would be right.

The names of the reasons are those of `gateway.admission.reasons.Reason` and
`gateway.websocket.refusals.Refused`.
"""

from typing import NamedTuple


class Words(NamedTuple):
    """`meaning` says what was wrong, and `remedy` what would be right."""

    meaning: str
    remedy: str


OF_REQUESTS = {
    "bad_path": Words(
        "The path of the request cannot be read.",
        "Set the address of the charge point to /OCPP16/{tenant}/{token}/{charge point id}. `detail` says "
        "what is wrong.",
    ),
    "unavailable": Words(
        "The gateway process was full or draining, or had no store.",
        "Wait: the charge point tries again. If this goes on, start more gateways or look at the store.",
    ),
    "memory_full": Words(
        "The gateway process used 85 % of its memory (`limits.memory_bytes`).",
        "Give the gateway more memory, or start more gateways.",
    ),
    "busy": Words(
        "More connect than `limits.handshakes_per_second` serves in 5 s, or `limits.handshakes_at_once`.",
        "Wait: the charge point gets a time to come back. If this goes on, start more gateways.",
    ),
    "store_away": Words(
        "The store did not answer.",
        "Look at the store: is it running, and can the gateways reach it?",
    ),
    "store_scarce": Words(
        "The store is nearly full, so csms registers no charge point by itself.",
        "Give the store more room, or register the charge point by hand.",
    ),
    "tenant_full": Words(
        "The tenant has about 500,000 charge points, so csms registers no further one by itself.",
        "Delete charge points that are not needed, or register this one by hand.",
    ),
    "late_claim": Words(
        "The store took more than 5 s for the lease.",
        "Look at the store: it is overloaded, or the network to it is slow.",
    ),
    "too_many_failures": Words(
        "Too many requests from the address with this charge point id failed within a minute.",
        "Correct the token, the password or the certificate, as the other refusals of the charge point "
        "say, and wait a minute. If the charge point itself is set up right, somebody else behind its "
        "address uses its id.",
    ),
    "flapping": Words(
        "Several connections of the charge point replaced each other more than five times in a minute.",
        "Find the second device or modem that uses this charge point id, or the network that cuts the "
        "connections.",
    ),
    "unknown_tenant": Words(
        "The tenant in the path does not exist.",
        "Correct the tenant in the address of the charge point, or create the tenant.",
    ),
    "wrong_token": Words(
        "The token in the path is not one of the tenant's.",
        "Put a valid token of the tenant into the address of the charge point. If it has been revoked, "
        "create another one.",
    ),
    "foreign_token": Words(
        "The token in the path is bound to another charge point.",
        "Use the token of this charge point, or one that is not bound to a charge point.",
    ),
    "retired_token": Words(
        "The token in the path is retired, and the charge point proved itself by nothing else.",
        "Put a token that is not retired into the address of the charge point, or give it a password or a "
        "certificate.",
    ),
    "unproven_unknown": Words(
        "The charge point is not registered, and its tenant does not allow security profile 0.",
        "Register the charge point and set its password, or correct the id in its address.",
    ),
    "no_password": Words(
        "The charge point must send a password, but the request has no Authorization header.",
        "Set the charge point to security profile 1 or 2 with its password (AuthorizationKey), or lower "
        "its profile in csms.",
    ),
    "no_password_set": Words(
        "The charge point must send a password, but none is set for it. Set its AuthorizationKey.",
        "Set the password in csms, the same as in the charge point.",
    ),
    "malformed_authorization": Words(
        "The Authorization header of the request cannot be read.",
        "Correct the Authorization header: `Basic` and the base64 text of id, colon and password.",
    ),
    "wrong_user": Words(
        "The user name in the Authorization header is not the id of the charge point in the path.",
        "Set the user name of the charge point to its id.",
    ),
    "wrong_password": Words(
        "The password is not that of the charge point.",
        "Set the same password in csms and in the charge point.",
    ),
    "no_certificate": Words(
        "The charge point must show a client certificate, but showed none.",
        "Install a client certificate in the charge point, or lower its profile in csms.",
    ),
    "certificate_of_another": Words(
        "The name in the client certificate is not the one that the charge point must have.",
        "Give the charge point a certificate with its own name, or set the name that csms expects.",
    ),
    "certificate_organisation": Words(
        "The client certificate names none of the tenant's organisations.",
        "Use a certificate of one of these organisations, or add the organisation to the tenant.",
    ),
    "certificate_replaced": Words(
        "The charge point has already used a newer certificate, or rejected this one.",
        "Have the charge point use its newest certificate, or issue another one.",
    ),
    "certificate_revoked": Words(
        "The client certificate is revoked.",
        "Issue another certificate to the charge point.",
    ),
    "certificate_expired": Words(
        "The client certificate has expired, or is not valid yet.",
        "Issue another certificate to the charge point, and check its clock.",
    ),
    "certificate_unreadable": Words(
        "The client certificate cannot be read.",
        "Issue another certificate to the charge point.",
    ),
    "revocation_unknown": Words(
        "The revocation list for the client certificate is overdue, and csms is set to refuse then.",
        "Get the new revocation list, or set `tls.refuse_overdue_revocation_lists` to false.",
    ),
    "profile_too_low": Words(
        "The charge point connected with a lower security profile than it must.",
        "Raise the security profile of the charge point, or lower it in csms.",
    ),
    "unknown_charge_point": Words(
        "The charge point is not registered.",
        "Register the charge point, or correct the id in its address.",
    ),
    "deleted": Words(
        "The charge point was deleted while it connected.",
        "Register the charge point again.",
    ),
    "origin": Words(
        "The charge point is strict, and the request has an Origin header.",
        "Have the charge point leave out the Origin header, or set `strict` to false.",
    ),
    "needs_repair": Words(
        "The charge point is strict, and the request would have to be repaired.",
        "Correct what `detail` says, or set `strict` to false.",
    ),
    "no_subprotocol": Words(
        "The request does not offer the subprotocol ocpp1.6.",
        "Set the charge point to OCPP 1.6-J, so that it offers the subprotocol ocpp1.6.",
    ),
}
"""Reasons of an answer to an upgrade request."""

OF_CONNECTIONS = {
    "client_certificate_expired": Words(
        "The client certificate, or one in its chain, has expired.",
        "Give the charge point a new certificate.",
    ),
    "client_certificate_not_yet_valid": Words(
        "The client certificate, or one in its chain, is not valid yet.",
        "Check the clocks, or give the charge point a certificate that is valid today.",
    ),
    "client_certificate_self_signed": Words(
        "The client certificate is signed by itself, not by an authority.",
        "Give the charge point a certificate of an authority that csms knows.",
    ),
    "client_certificate_foreign": Words(
        "No authority in `tls.client_authorities_file` signed the client certificate.",
        "Add the authority to the file, or give the charge point a certificate of one of the authorities.",
    ),
    "client_certificate_invalid": Words(
        "OpenSSL does not accept the client certificate for another reason.",
        "Give the charge point a certificate without the fault in `detail`, or switch "
        "`tls.strict_client_certificates` off.",
    ),
    "client_certificate_missing": Words(
        "The port demands a client certificate, but the client showed none.",
        "Install the certificate of the charge point, or use the port for security profile 2.",
    ),
    "server_name_wrong": Words(
        "The client asked for a server name that csms does not serve.",
        "Correct the host in the address of the charge point, or add the name in `detail` to "
        "`tls.server_names`.",
    ),
    "server_name_missing": Words(
        "The client asked for no server name, but `tls.require_sni` is true.",
        "Put a host name, not an IP address, into the address of the charge point. If its firmware cannot "
        "send the name, set `tls.require_sni` to false.",
    ),
    "no_shared_cipher": Words(
        "The client and csms have no cipher suite in common.",
        "Update the firmware, add a certificate of the other kind (ECDSA or RSA), or switch "
        "`tls.static_rsa` on.",
    ),
    "tls_too_old": Words(
        "The client supports no TLS version above 1.1.",
        "Update the firmware of the charge point to TLS 1.2.",
    ),
    "server_certificate_untrusted": Words(
        "The client does not trust the authority of the server's certificate (alert unknown_ca).",
        "Install the root certificate of the server in the charge point.",
    ),
    "server_certificate_expired": Words(
        "For the client, the certificate of the server has expired (alert certificate_expired).",
        "Check the clock of the charge point, then the dates of the certificate of the server.",
    ),
    "server_certificate_refused": Words(
        "The client does not accept the certificate of the server, for a reason that it does not say.",
        "Check that the host name in the address is in the certificate of the server, that the charge "
        "point has its root certificate, and its clock.",
    ),
    "not_tls": Words(
        "The first bytes on the TLS port were not TLS, for example because of `ws://` instead of `wss://`.",
        "Write `wss://` instead of `ws://` in the address of the charge point, or use the port without TLS.",
    ),
    "tls_too_slow": Words(
        "The TLS handshake was not complete in time.",
        "Check the network. The charge point tries again.",
    ),
    "tls_left": Words(
        "The client left during the TLS handshake, without an alert.",
        "Install the root certificate of the server in the charge point, and check the host name. Many "
        "charge points leave without a word if they do not trust the server.",
    ),
    "tls_failed": Words(
        "The TLS handshake failed for another reason.",
        "Look up the words in `detail` in the documentation of OpenSSL.",
    ),
    "proxy_header_missing": Words(
        "A trusted proxy opened a connection without a PROXY header.",
        "Switch the PROXY protocol on in the proxy, or `listen.proxy_protocol` off.",
    ),
    "proxy_header_invalid": Words(
        "A trusted proxy sent a PROXY header that cannot be read.",
        "Set the proxy to version 1 or 2 of the PROXY protocol.",
    ),
    "proxy_header_untrusted": Words(
        "An address outside of `listen.trusted_networks` sent a PROXY header.",
        "If the address is a proxy of yours, add it to `listen.trusted_networks`.",
    ),
    "too_many_connections": Words(
        "The address already has `limits.connections_per_address` connections.",
        "Raise `limits.connections_per_address`, or find out what opens the connections.",
    ),
    "not_http": Words(
        "The first bytes on a port were not HTTP, for example because of `wss://` instead of `ws://`.",
        "Write `ws://` instead of `wss://` in the address of the charge point, or use the port with TLS.",
    ),
    "not_an_upgrade": Words(
        "The HTTP request is not a websocket upgrade.",
        "Find out what sends the request. If it is a charge point, a proxy may remove headers of the "
        "request.",
    ),
    "head_too_long": Words(
        "The head of the HTTP request is too long.",
        "Have the charge point send fewer or shorter headers.",
    ),
    "request_too_slow": Words(
        "The HTTP request was not complete in time.",
        "Check the network. The charge point tries again.",
    ),
}
"""Reasons for which the transport refuses a connection before it has a request to answer."""

WORDS = OF_REQUESTS | OF_CONNECTIONS

_UNKNOWN = Words(
    "Another release of csms refused the handshake for this reason.",
    "Look the reason up in docs/refusals.md of that release.",
)


def words_of(reason: str) -> Words:
    return WORDS.get(reason, _UNKNOWN)
