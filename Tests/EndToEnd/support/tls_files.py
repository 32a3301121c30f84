"""A private authority and its certificates, made by the openssl command for the time of a test."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Leaf:
    certificate: Path
    key: Path

    @property
    def flags(self) -> list[str]:
        return ["--tls-certificate", str(self.certificate), "--tls-key", str(self.key)]


class Authority:
    def __init__(self, folder: Path, name="Test Authority"):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.file = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._openssl(
            "req", "-x509", *self._new_key(self._key), "-out", self.file, "-days", "30", "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    @staticmethod
    def _new_key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]

    def leaf(self, file: str, names="DNS:localhost,IP:127.0.0.1", subject=None, days=60) -> Leaf:
        """A certificate for the names; a file that is there already is written over."""
        leaf = Leaf(self.folder / f"{file}.pem", self.folder / f"{file}.key")
        request, extensions = self.folder / f"{file}.csr", self.folder / f"{file}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        self._openssl("req", *self._new_key(leaf.key), "-out", request, "-subj", f"/CN={subject or file}")
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial", "-days", days,
            "-extfile", extensions, "-out", leaf.certificate)
        return leaf

    def trust(self, leaf: Leaf | None = None) -> ssl.SSLContext:
        """A client's context that trusts this authority alone, and shows `leaf` when it is asked for a certificate."""
        context = ssl.create_default_context(cafile=str(self.file))
        if leaf:
            context.load_cert_chain(leaf.certificate, leaf.key)
        return context
