"""An issuer of JSON Web Tokens: signs them with an implementation that is not ours, and serves its keys."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER, AUDIENCE = "https://issuer.example", "interject"
# What a server is told of it, besides the keys.
FLAGS = ("--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE)


def public(kid, key, **members) -> dict:
    """A key's public half, as a JWK set has it."""
    algorithms = {rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm, ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
                  ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm}
    algorithm = next(a for kind, a in algorithms.items() if isinstance(key, kind))
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig", **members}


def make_pairs() -> dict:
    """A key for each kind of signature, named by it."""
    return {
        "RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()), "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }


def claims(**changes) -> dict:
    made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 600, **changes}
    return {name: value for name, value in made.items() if value is not None}


def sign(pairs, algorithm="ES256", kid=None, key=None, headers=None, **changes) -> str:
    headers = {"kid": kid or algorithm, **(headers or {})}
    return jwt.encode(claims(**changes), key or pairs[algorithm], algorithm=algorithm, headers=headers)


def segment(value) -> str:
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=").decode()


def authenticate(head: dict, secret: bytes) -> str:
    """A token of HS256; PyJWT makes none whose secret looks like a public key."""
    message = f"{segment(head)}.{segment(claims())}"
    return f"{message}.{segment(hmac.digest(secret, message.encode(), hashlib.sha256))}"


class Issuer:
    """Serves the keys `served` by a URL, and counts how often it is asked."""

    def __init__(self, *keys):
        self.served = list(keys)
        self.asked = 0

    def __enter__(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                body = json.dumps({"keys": issuer.served}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
