import JSON
import Testing

@testable import Access

/// The examples of the RFCs, and what differs from them by one bit.
@Suite struct JWSKeyTests {
    struct Example: Sendable, CustomTestStringConvertible {
        let algorithm: JWSAlgorithm
        let key: JSONObject
        let message: String
        let signature: String
        var testDescription: String { algorithm.rawValue }
    }

    private static let claims =
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

    private static let examples = [
        // RFC 7515 A.2.
        Example(
            algorithm: .rs256,
            key: [
                "kty": "RSA", "e": "AQAB",
                "n": """
                ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs\
                D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV\
                MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ
                """,
            ],
            message: "eyJhbGciOiJSUzI1NiJ9" + claims,
            signature: """
                cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZ\
                cAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-e\
                OkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw
                """),
        // RFC 7515 A.3.
        Example(
            algorithm: .es256,
            key: [
                "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            ],
            message: "eyJhbGciOiJFUzI1NiJ9" + claims,
            signature: "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
        // RFC 8037 A.4.
        Example(
            algorithm: .edDSA, key: ["kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"],
            message: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            signature: "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"),
    ]

    @Test(arguments: examples)
    func theExamplesOfTheRFCsHold(_ example: Example) throws {
        let key = try #require(JWSKey(example.key, for: example.algorithm))
        let message = Array(example.message.utf8)
        let signature = try #require(Base64URL.decode(example.signature))
        #expect(key.verifies(signature, of: message))
        for index in [0, signature.count / 2, signature.count - 1] {
            var other = signature
            other[index] ^= 1
            #expect(!key.verifies(other, of: message))
        }
        for other in [[], Array(signature.dropLast()), signature + [0], [UInt8](repeating: 0, count: signature.count)] {
            #expect(!key.verifies(other, of: message))
        }
        #expect(!key.verifies(signature, of: message + [0]) && !key.verifies(signature, of: []))
    }

    @Test(arguments: examples)
    func aKeyIsForItsOwnKindAlone(_ example: Example) {
        for algorithm in JWSAlgorithm.allCases where algorithm.keyKind != example.algorithm.keyKind {
            #expect(JWSKey(example.key, for: algorithm) == nil)
        }
    }

    /// A point off its curve, coordinates too short or too long, exponents of nothing and beyond all bounds, a modulus of 64 KiB.
    @Test func brokenKeysAreNone() {
        var key = Self.examples[1].key
        for x in ["", "AA", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEUA", "?"] {
            key["x"] = .string(x)
            #expect(JWSKey(key, for: .es256) == nil)
        }
        key = Self.examples[0].key
        for e in ["", "AAAAAAAAAAAAAAAAAAAA", "!"] {
            key["e"] = .string(e)
            #expect(JWSKey(key, for: .rs256) == nil)
        }
        key["e"] = "AQAB"
        key["n"] = .string(String(repeating: "_", count: 87_384))
        #expect(JWSKey(key, for: .rs256) == nil)
        #expect(JWSKey(["kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHU"], for: .edDSA) == nil)
    }
}
