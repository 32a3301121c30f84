import Testing

@testable import Jobs

@Suite struct WebhookSignatureTests {
    /// The example of the Standard Webhooks specification.
    @Test func theSpecificationsExampleIsSignedAsItSays() throws {
        let secret = try #require(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let signature = secret.signature(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", unixTime: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8))
        #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test func aSecretWithoutThePrefixIsItsBytes() throws {
        let plain = try #require(WebhookSecret("sixteen bytes are enough"))
        // base64 of the same bytes.
        let encoded = try #require(WebhookSecret("whsec_c2l4dGVlbiBieXRlcyBhcmUgZW5vdWdo"))
        #expect(plain.signature(id: "a", unixTime: 1, body: []) == encoded.signature(id: "a", unixTime: 1, body: []))
    }

    @Test(arguments: ["", "short", "whsec_", "whsec_YQ==", "whsec_!!!!", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"])
    func aSecretThatIsTooShortOrNoBase64IsNone(_ text: String) { #expect(WebhookSecret(text) == nil) }

    @Test func newSecretsDifferAndReadBack() {
        let secret = WebhookSecret.random()
        #expect(secret != WebhookSecret.random())
        #expect(WebhookSecret(secret.text) == secret && secret.text.hasPrefix("whsec_"))
        #expect(secret.text.hasSuffix(secret.hint.dropFirst()))
    }

    @Test func afterARotationBothSignUntilTheOldOneEnds() throws {
        let old = WebhookSecret.random()
        let new = WebhookSecret.random()
        var secrets = WebhookSecrets(old)
        secrets.rotate(to: new, retainingOldUntil: 100)
        func signatures(at time: Int) -> [Substring]? {
            secrets.signatures(id: "a", unixTime: time, body: [1])?.split(separator: " ")
        }
        func expected(_ secrets: [WebhookSecret], at time: Int) -> [Substring] {
            secrets.compactMap { $0.signature(id: "a", unixTime: time, body: [1]) }.map { Substring($0) }
        }
        #expect(signatures(at: 99) == expected([new, old], at: 99))
        #expect(signatures(at: 100) == expected([new], at: 100))
        secrets.rotate(to: old, retainingOldUntil: nil)
        #expect(signatures(at: 50) == expected([old], at: 50))
    }

    @Test func anEventOfTheSameEndHasTheSameID() {
        let first = WebhookEvent(type: "response.completed", owner: "ann", objectID: "resp_1", createdAt: 1)
        let again = WebhookEvent(type: "response.completed", owner: "ann", objectID: "resp_1", createdAt: 2)
        let other = WebhookEvent(type: "response.failed", owner: "ann", objectID: "resp_1", createdAt: 1)
        #expect(first.id == again.id && first.id != other.id && first.id.count == 36)
        #expect(
            String(decoding: first.payload, as: UTF8.self)
                == #"{"id":"\#(first.id)","object":"event","created_at":1,"type":"response.completed","data":{"id":"resp_1"}}"#)
    }
}
