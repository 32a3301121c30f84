import HTTP
import Network
import Testing

@testable import Access

/// Who calls, by whichever way the key came.
@Suite struct AuthenticationTests {
    private let authentication = Authentication([
        .init(name: "ada", key: "secret-of-ada"), .init(name: "bob", key: "secret-of-bob"),
    ])

    private func owner(_ fields: String...) throws -> String {
        let text = "GET / HTTP/1.1\r\nHost: x\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
        var parser = RequestParser()
        let head: RequestHead? = try Array(text.utf8).withUnsafeBytes { bytes in
            var input = bytes
            if case .head(let head) = try parser.next(&input) { return head }
            return nil
        }
        return try authentication.caller(#require(head), from: nil, now: .monotonicNow).owner
    }

    @Test func theKeyTellsTheOwner() throws {
        #expect(try owner("Authorization: Bearer secret-of-ada") == "ada")
        #expect(try owner("Authorization: bearer secret-of-bob") == "bob")
        #expect(try owner("x-api-key: secret-of-bob") == "bob")
        #expect(try owner("Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.secret-of-ada") == "ada")
    }

    @Test(arguments: [
        "Authorization: Bearer secret-of-ad", "Authorization: Bearer secret-of-adaa", "Authorization: Bearer ",
        "Authorization: Basic secret-of-ada", "Authorization: secret-of-ada", "Sec-WebSocket-Protocol: secret-of-ada", "X: y",
    ])
    func everythingElseIsRefused(field: String) {
        let error = #expect(throws: AccessError.self) { try owner(field) }
        #expect(error == .missingKey || error == .unknownKey)
    }

    @Test func withoutKeysEverybodyIsOne() throws {
        let text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        var parser = RequestParser()
        try Array(text.utf8).withUnsafeBytes { bytes in
            var input = bytes
            guard case .head(let head) = try parser.next(&input) else { return }
            #expect(try Authentication([]).caller(head, from: nil, now: .monotonicNow).owner == Authentication.everybody)
        }
    }
}
