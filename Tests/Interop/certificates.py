"""X.509 for tests: self-signed devices, registered authorities, and leaves gone wrong."""

import datetime
import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def make_key(kind="ec"):
    """An EC P-256 or RSA 2048 private key."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class Certificate:
    """A certificate with its private key and the chain that issued it."""

    def __init__(self, certificate, key, chain=()):
        self.certificate, self.key, self.chain = certificate, key, list(chain)

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def thumbprint(self, algorithm="sha1"):
        """Hexadecimal digest of the DER form, upper case and without separators."""
        return hashlib.new(algorithm, self.der).hexdigest().upper()

    def write(self, directory, name, with_chain=True):
        """Writes `name.pem` (leaf first) and `name.key`; returns both paths as text."""
        directory = Path(directory)
        certificate_path, key_path = directory / f"{name}.pem", directory / f"{name}.key"
        issued_by = "".join(link.pem for link in self.chain) if with_chain else ""
        certificate_path.write_text(self.pem + issued_by)
        key_path.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(certificate_path), str(key_path)

    def issue(self, common_name, kind="ec", ca=False, start=None, end=None, path_length=None,
              with_ca_extension=True):
        """A certificate signed by this one. Chains exclude the self-signed root."""
        chain = [self, *self.chain] if self.chain or not self.is_root else []
        return build(
            common_name, make_key(kind), issuer=self, ca=ca, start=start, end=end,
            path_length=path_length, with_ca_extension=with_ca_extension, chain=chain,
        )

    @property
    def is_root(self):
        return self.certificate.subject == self.certificate.issuer


def build(common_name, key, issuer=None, ca=False, start=None, end=None, path_length=None,
          with_ca_extension=True, chain=()):
    """Any certificate; self-signed without an issuer."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start or now() - DAY)
        .not_valid_after(end or now() + 30 * DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
    if issuer:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(identifier, False)
    if with_ca_extension:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), True)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
         "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False,
    )
    usage.update(
        {"key_cert_sign": True, "crl_sign": True} if ca else {"digital_signature": True}
    )
    builder = builder.add_extension(x509.KeyUsage(**usage), True)
    if not ca:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(purpose, False)
    return Certificate(builder.sign(signer, hashes.SHA256()), key, chain)


def self_signed(common_name, kind="ec", **options):
    """A device certificate that nobody vouches for."""
    return build(common_name, make_key(kind), **options)


def authority(common_name, kind="ec", path_length=None):
    """A root certificate authority."""
    return build(common_name, make_key(kind), ca=True, path_length=path_length)


def register_authority(rest, name, root):
    """Registers and verifies an authority through the admin interface."""
    certificate = upload_authority(rest, name, root)
    code = verification_code(rest, name, certificate["etag"])
    proof = root.issue(code["properties"]["verificationCode"])
    return rest.call(
        "POST", f"/certificates/{name}/verify", json={"certificate": proof.pem},
        headers={"If-Match": f'"{code["etag"]}"'}, expect=200,
    ).json()


def upload_authority(rest, name, root):
    return rest.call(
        "PUT", f"/certificates/{name}", json={"certificate": root.pem}, expect={200, 201}
    ).json()


def verification_code(rest, name, etag):
    return rest.call(
        "POST", f"/certificates/{name}/generateVerificationCode",
        headers={"If-Match": f'"{etag}"'}, expect=200,
    ).json()
