"""JSON Web Tokens of an issuer, signed by an implementation that is not ours."""

import base64
import http.server
import json
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keys import bearer
from processes import run_binary
from rehearsal import brief, eventually

ISSUER, AUDIENCE = "https://issuer.example", "interject"
SECRET = "a secret of more than thirty-two bytes, for HS256"


def public(kid, key, **members) -> dict:
    """A key's public half, as a JWK set has it."""
    algorithms = {rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm, ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
                  ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm}
    algorithm = next(a for kind, a in algorithms.items() if isinstance(key, kind))
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig", **members}


@pytest.fixture(scope="module")
def pairs():
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


@pytest.fixture(scope="module")
def server(tmp_path_factory, pairs):
    from processes import InterjectProcess

    directory = tmp_path_factory.mktemp("jwt")
    (directory / "keys.json").write_text(json.dumps({"keys": [
        *(public(kid, key) for kid, key in pairs.items()), {"kty": "oct", "k": "AAAA", "kid": "oct"}, {"kty": "new"}]}))
    with InterjectProcess(
        directory, "--jwt-jwks", directory / "keys.json", "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE) as process:
        yield process


def status(server, token, path="/v1/models"):
    with server.http(headers=bearer(token)) as http:
        return http.get(path).status_code


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "EdDSA"])
def test_a_signed_token_lets_in(server, pairs, algorithm):
    assert status(server, sign(pairs, algorithm)) == 200


def test_the_sdk_works_with_it_and_owners_are_apart(server, pairs, tag):
    with server.sdk(api_key=sign(pairs)) as ada, server.sdk(api_key=sign(pairs, sub="bob")) as bob:
        made = ada.responses.create(model="rehearsal", input=brief(tag))
        assert ada.responses.retrieve(made.id).output_text == made.output_text
        with pytest.raises(Exception, match="404|not yours"):
            bob.responses.retrieve(made.id)


def segment(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_no_token_without_a_signature_lets_in(server, pairs):
    good = sign(pairs)
    head, body, signature = good.split(".")
    rs_public = pairs["RS256"].public_key().public_numbers()
    forged = {
        "none": f"{segment({'alg': 'none'})}.{segment(claims())}.",
        "none with a name": f"{segment({'alg': 'none', 'kid': 'ES256'})}.{segment(claims())}.{signature}",
        "no algorithm": f"{segment({'kid': 'ES256'})}.{body}.{signature}",
        "another body": f"{head}.{segment(claims(sub='root'))}.{signature}",
        "no signature": f"{head}.{body}.",
        "half a signature": f"{head}.{body}.{signature[:43]}",
        "zeros": f"{head}.{body}.{'A' * 86}",
        "another's key": sign(pairs, key=ec.generate_private_key(ec.SECP256R1())),
        "HS256 with the public key": jwt.encode(claims(), str(rs_public.n), algorithm="HS256", headers={"kid": "RS256"}),
        "the key of another kind": sign(pairs, "RS256", kid="ES256"),
        "an unknown critical extension": sign(pairs, headers={"crit": ["x"], "x": 1}),
        "PS256, which is not taken": jwt.encode(claims(), pairs["RS256"], algorithm="PS256", headers={"kid": "RS256"}),
    }
    assert status(server, good) == 200
    assert {name: status(server, token) for name, token in forged.items()} == dict.fromkeys(forged, 401)


@pytest.mark.parametrize("changes", [
    {"iss": "https://other.example"}, {"iss": None}, {"aud": "other"}, {"aud": None}, {"aud": ["a", "b"]}, {"sub": None}, {"sub": ""},
    {"exp": None}, {"exp": 1}, {"exp": "soon"}, {"nbf": 4_000_000_000}, {"sub": "x" * 300},
], ids=str)
def test_claims_must_be_for_here_and_now(server, pairs, changes):
    # PyJWT itself refuses to sign some of these: they are put together here.
    head = segment({"alg": "ES256", "kid": "ES256"})
    body = segment(claims(**changes))
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    signature = algorithm.sign(f"{head}.{body}".encode(), pairs["ES256"])
    token = f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert status(server, token) == 401


def test_several_audiences_hold_ours(server, pairs):
    assert status(server, sign(pairs, aud=["other", AUDIENCE])) == 200


@pytest.mark.parametrize("scope", ["openid chat sessions:read", ["chat", "sessions:read"]])
def test_scopes_come_from_the_claim(server, pairs, scope):
    token = sign(pairs, scope=scope)
    assert status(server, token, "/v1/sessions") == 200
    assert status(server, token, "/v1/usage") == 403
    assert status(server, sign(pairs, scope="openid profile"), "/v1/sessions") == 403


def test_a_token_expires_here_too(server, pairs):
    """Thirty seconds of difference between clocks are granted."""
    token = sign(pairs, exp=int(time.time()) - 28)
    assert status(server, token) == 200
    eventually(lambda: status(server, token) == 401, "it has expired")


def test_hs256_needs_a_secret_of_its_own(start_server):
    server = start_server("--jwt-secret", SECRET, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE)
    assert status(server, jwt.encode(claims(), SECRET, algorithm="HS256")) == 200
    assert status(server, jwt.encode(claims(), SECRET + "x", algorithm="HS256")) == 401
    assert status(server, jwt.encode(claims(), SECRET, algorithm="HS512")) == 401


def test_keys_of_a_url_are_fetched_again_for_an_unknown_name(start_server, pairs):
    served = {"keys": [public("first", pairs["ES256"])]}
    asked = []

    class Issuer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = json.dumps(served).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    issuer = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    threading.Thread(target=issuer.serve_forever, daemon=True).start()
    try:
        server = start_server(
            "--jwt-jwks", f"http://127.0.0.1:{issuer.server_port}/jwks", "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE)
        assert status(server, sign(pairs, kid="first")) == 200
        served["keys"].append(public("second", pairs["RS256"]))
        token = sign(pairs, "RS256", kid="second")
        eventually(lambda: status(server, token) == 200, "the new key is known", 30)
        fetched = len(asked)
        for number in range(30):
            assert status(server, sign(pairs, kid=f"made-up-{number}")) in (401, 503)
        assert len(asked) - fetched <= 2, "made-up names do not have the issuer asked each time"
    finally:
        issuer.shutdown()


@pytest.mark.parametrize("flags, complaint", [
    (("--jwt-jwks", "https://issuer.example/jwks"), "--jwt-issuer"),
    (("--jwt-issuer", "x", "--jwt-audience", "y"), "--jwt-jwks"),
    (("--jwt-jwks", "http://issuer.example/jwks", "--jwt-issuer", "x", "--jwt-audience", "y"), "https"),
    (("--jwt-jwks", "/nowhere/keys.json", "--jwt-issuer", "x", "--jwt-audience", "y"), "/nowhere/keys.json"),
    (("--jwt-secret", "short", "--jwt-issuer", "x", "--jwt-audience", "y"), "32"),
])
def test_settings_that_would_let_anybody_in_are_refused(flags, complaint):
    done = run_binary("serve", "--port", 0, *flags)
    assert done.returncode == 2 and complaint in done.stderr
