"""Makes a certificate authority for one testbed, and certificates of both hosts, for TLS between them.

Made with `cryptography`: ECDSA on P-256, signed by an authority that nothing outside the testbed trusts, and
forgotten with it. (trustme would be shorter, but makes the alternative names critical, which OTP 25 refuses
as an unsupported certificate.)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_VALID = timedelta(days=2)  # the clocks of the hosts agree, but time zones have been got wrong before
_SIGNS = {"digital_signature": True, "key_cert_sign": False, "crl_sign": False}
_USES = (
    *("content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The peer's certificate as its program reads it, and Erlang terms, as text, for the session."""

    for_peer: bytes
    bindings: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signer:
    """Who signs a certificate: a name and its key."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def make(peer: str, node: str) -> Credentials:
    """Make credentials for hosts with these addresses."""
    authority = _Signer(name=_name("rst-or-fin test authority"), key=ec.generate_private_key(ec.SECP256R1()))
    root = _certificate(authority, authority, address="")
    of_peer, of_node = (
        _Signer(name=_name(host), key=ec.generate_private_key(ec.SECP256R1())) for host in ("peer", "node")
    )
    told = {
        "certificate": _certificate(of_peer, authority, address=peer).public_bytes(Encoding.PEM).decode(),
        "key": _private(of_peer, Encoding.PEM).decode(),
    }
    certificate = _certificate(of_node, authority, address=node).public_bytes(Encoding.DER)
    return Credentials(
        for_peer=json.dumps(told).encode() + b"\n",
        bindings={
            "CaCerts": f"[{_binary(root.public_bytes(Encoding.DER))}]",
            "Cert": _binary(certificate),
            "Key": f"{{'ECPrivateKey',{_binary(_private(of_node, Encoding.DER))}}}",
        },
    )


def _certificate(subject: _Signer, issuer: _Signer, *, address: str) -> x509.Certificate:
    """Make the subject's certificate: for a host with that address, or "" for an authority."""
    now = datetime.now(UTC)
    is_authority = not address
    usage = {**dict.fromkeys(_USES, False), **_SIGNS, "key_cert_sign": is_authority}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject.name)
        .issuer_name(issuer.name)
        .public_key(subject.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    if address:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _private(signer: _Signer, encoding: Encoding) -> bytes:
    return signer.key.private_bytes(encoding, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _binary(data: bytes) -> str:
    """Write the bytes as an Erlang binary."""
    return f"<<{','.join(map(str, data))}>>"
