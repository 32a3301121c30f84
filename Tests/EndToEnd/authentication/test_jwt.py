"""JSON Web Tokens of an issuer, signed by an implementation that is not ours."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from issuer import AUDIENCE, FLAGS, ISSUER, Issuer, authenticate, claims, make_pairs, public, segment, sign
from keys import bearer
from processes import run_binary
from raw_http import RawConnection, request
from rehearsal import brief, eventually

SECRET = "a secret of more than thirty-two bytes, for HS256"


@pytest.fixture(scope="module")
def pairs():
    return make_pairs()


@pytest.fixture(scope="module")
def server(tmp_path_factory, pairs):
    from processes import InterjectProcess

    directory = tmp_path_factory.mktemp("jwt")
    (directory / "keys.json").write_text(json.dumps({"keys": [
        *(public(kid, key) for kid, key in pairs.items()), {"kty": "oct", "k": "AAAA", "kid": "oct"}, {"kty": "new"}]}))
    with InterjectProcess(directory, "--jwt-jwks", directory / "keys.json", *FLAGS) as process:
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
        "HS256 with the public key's text": authenticate({"alg": "HS256", "kid": "RS256"}, pairs["RS256"].public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)),
        "HS256 with the public key's point": authenticate({"alg": "HS256", "kid": "EdDSA"}, pairs["EdDSA"].public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)),
        "HS256 with nothing": authenticate({"alg": "HS256"}, b""),
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
    server = start_server("--jwt-secret", SECRET, *FLAGS)
    assert status(server, jwt.encode(claims(), SECRET, algorithm="HS256")) == 200
    assert status(server, jwt.encode(claims(), SECRET + "x", algorithm="HS256")) == 401
    assert status(server, jwt.encode(claims(), SECRET, algorithm="HS512")) == 401


def test_a_name_that_no_key_has_lets_nobody_in(server, pairs):
    """Not by the only key of the kind, though it is the one that signed."""
    for kid in ("nobody", "0", ""):
        token = jwt.encode(claims(), pairs["ES256"], algorithm="ES256", headers={"kid": kid})
        assert status(server, token) in (401, 503)
    assert status(server, jwt.encode(claims(), pairs["ES256"], algorithm="ES256")) == 200


def test_a_key_is_for_what_its_set_says(start_server, tmp_path, pairs):
    weak, key = rsa.generate_private_key(65537, 1024), pairs["RS256"]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [
        public("any", key), public("one", key, alg="RS384"), public("enc", key, use="enc"), public("weak", weak),
        public("wrap", key, key_ops=["wrapKey"]), public("other", key, alg="ES256"), public("oaep", key, alg="RSA-OAEP-256"),
    ]}))
    server = start_server("--jwt-jwks", tmp_path / "keys.json", *FLAGS)
    tried = {(kid, algorithm): status(server, sign(pairs, algorithm, kid, weak if kid == "weak" else key))
             for kid in ("any", "one", "enc", "weak", "wrap", "other", "oaep") for algorithm in ("RS256", "RS384", "RS512")}
    assert {case for case, answer in tried.items() if answer == 200} == {
        ("any", "RS256"), ("any", "RS384"), ("any", "RS512"), ("one", "RS384")}


def test_heads_and_claims_that_would_end_a_careless_parser_do_no_harm(server, pairs):
    assert status(server, sign(pairs, headers={"x": 1e300})) == 200
    assert status(server, f"{segment({'alg': 'ES256', 'kid': 'ES256', 'x': -1e300})}.{segment({'aud': []})}.AAAA") == 401
    assert status(server, sign(pairs, aud=[])) == 401
    assert status(server, sign(pairs, x="x" * 20_000)) in (401, 431)
    assert status(server, sign(pairs)) == 200


def test_keys_of_a_url_are_fetched_again_for_an_unknown_name(start_server, pairs):
    with Issuer(public("first", pairs["ES256"])) as issuer:
        server = start_server("--jwt-jwks", issuer.url, *FLAGS)
        assert status(server, sign(pairs, kid="first")) == 200
        issuer.served.append(public("second", pairs["RS256"]))
        token = sign(pairs, "RS256", kid="second")
        eventually(lambda: status(server, token) == 200, "the new key is known", 30)
        fetched = issuer.asked
        for number in range(30):
            assert status(server, sign(pairs, kid=f"made-up-{number}")) in (401, 503)
        assert issuer.asked - fetched <= 2, "made-up names do not have the issuer asked each time"


def refusal(server, token, body_bytes) -> str:
    """Why a request is refused that tells the length of its body and sends none of it."""
    with RawConnection(server) as connection:
        connection.send(request("POST", "/v1/responses", Authorization=f"Bearer {token}", Content_Length=body_bytes))
        answer = connection.read_answer()
        assert answer.status in (413, 503) and answer.headers["connection"] == "close"
        return answer.json()["error"]["code"]


def test_a_key_that_was_taken_back_lets_in_no_token_that_was_seen_before(start_server, pairs):
    with Issuer(public("first", pairs["ES256"])) as issuer:
        server = start_server("--jwt-jwks", issuer.url, *FLAGS)
        before, after = sign(pairs, kid="first"), sign(pairs, "RS256", kid="second")
        assert [status(server, before) for _ in range(3)] == [200] * 3
        issuer.served[:] = [public("second", pairs["RS256"])]
        # Whoever comes while the keys are fetched is told so before a body that only those may send who are known.
        eventually(lambda: refusal(server, after, 1 << 20) == "issuer_keys_pending", "the keys are fetched", 30)
        eventually(lambda: status(server, after) == 200, "the new key is known", 30)
        assert status(server, before) in (401, 503)


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
