"""Certificates and signatures, made by the `openssl` command.

One authority of our own, whose certificate is what a gateway gets as `ca_file`, and a certificate for each way of
being wrong. An Ed25519 key signs the pages.
"""

import base64
import contextlib
import pathlib
import ssl
import subprocess
import tempfile
import time

DAY = 86_400
KINDS = ("good", "expired", "future", "wrong_name", "untrusted")

CONFIGURATION = """
[ca]
default_ca = authority
[authority]
new_certs_dir = {dir}
database = {dir}/index.txt
rand_serial = yes
default_md = sha256
policy = anything
unique_subject = no
email_in_dn = no
[anything]
commonName = supplied
[of_authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[of_server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


class Certificates:
    """Keys and certificates in a folder, made where they are missing."""

    def __init__(self, folder, names):
        self._folder = pathlib.Path(folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sign_key = self._folder / "signing.pem"
        if not self._sign_key.exists():
            _openssl("genpkey", "-algorithm", "ed25519", "-out", self._sign_key)
        (self._folder / "index.txt").touch()
        self._authority("ca")
        self._authority("stranger")
        now, here = time.time(), ",".join(("IP:" if _is_address(name) else "DNS:") + name for name in names)
        self._server("good", "ca", here, now - DAY, now + 800 * DAY)
        self._server("expired", "ca", here, now - 30 * DAY, now - DAY)
        self._server("future", "ca", here, now + 30 * DAY, now + 60 * DAY)
        self._server("wrong_name", "ca", "DNS:elsewhere.invalid", now - DAY, now + 800 * DAY)
        self._server("untrusted", "stranger", here, now - DAY, now + 800 * DAY)

    @property
    def authority(self):
        """The path of the certificate to trust."""
        return self._folder / "ca.pem"

    def context(self, kind):
        """The server's side of TLS 1.3 with the certificate of that kind."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self._folder / f"{kind}.pem", self._folder / f"{kind}.key")
        return context

    def signing_key(self):
        """The public key of the pages' signatures, base64 of its 32 bytes."""
        encoded = _openssl("pkey", "-in", self._sign_key, "-pubout", "-outform", "DER")
        return base64.b64encode(encoded[-32:]).decode()

    def sign(self, body):
        """The signature of the bytes, base64."""
        with tempfile.NamedTemporaryFile(dir=self._folder) as file:
            file.write(body)
            file.flush()
            made = _openssl("pkeyutl", "-sign", "-rawin", "-inkey", self._sign_key, "-in", file.name)
        return base64.b64encode(made).decode()

    def _authority(self, name):
        if (self._folder / f"{name}.pem").exists():
            return
        self._request(name, f"Lango test cloud {name}")
        now = time.time()
        self._certify(name, name, "of_authority", "DNS:unused.invalid", now - DAY, now + 3650 * DAY, "-selfsign")

    def _server(self, kind, authority, names, begin, end):
        self._request(kind, "Lango test cloud")
        self._certify(kind, authority, "of_server", names, begin, end)

    def _request(self, name, subject):
        key, request = self._folder / f"{name}.key", self._folder / f"{name}.csr"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        _openssl("req", "-new", *curve, "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={subject}")

    def _certify(self, name, authority, extensions, names, begin, end, *more):
        with self._configuration(names) as file:
            of_ca = ("-keyfile", self._folder / f"{authority}.key")
            if not more:
                of_ca += ("-cert", self._folder / f"{authority}.pem")
            span = ("-startdate", _date(begin), "-enddate", _date(end), "-extensions", extensions)
            files = ("-in", self._folder / f"{name}.csr", "-out", self._folder / f"{name}.pem")
            _openssl("ca", "-batch", "-notext", "-config", file, *of_ca, *span, *files, *more)

    @contextlib.contextmanager
    def _configuration(self, names):
        with tempfile.NamedTemporaryFile("w", dir=self._folder, suffix=".cnf") as file:
            file.write(CONFIGURATION.format(dir=self._folder, names=names))
            file.flush()
            yield file.name


def _date(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds))


def _is_address(name):
    return ":" in name or name.replace(".", "").isdigit()


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
