import Bytes
import HTTP
import Testing

@testable import API

/// Which pages may call, and by which name the server is called.
@Suite struct CrossOriginTests {
    private func request(_ fields: [String]) throws -> RequestHead {
        let text = "GET /v1/models HTTP/1.1\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
        var parser = RequestParser()
        return try Array(text.utf8).withUnsafeBytes { bytes in
            var input = bytes
            guard case .head(let head) = try parser.next(&input) else { throw NoHead() }
            return head
        }
    }

    private struct NoHead: Error {}

    private func mayCall(_ rule: CrossOrigin, _ fields: String..., isByUnixSocket: Bool = false) throws -> Bool {
        let head = try request(fields)
        return (try? rule.check(head, isByUnixSocket: isByUnixSocket)) != nil
    }

    private static let open = CrossOrigin(allowed: nil, keysAreRequired: false, isLoopbackOnly: true)
    private static let keyed = CrossOrigin(allowed: nil, keysAreRequired: true, isLoopbackOnly: true)
    private static let listed = CrossOrigin(
        allowed: ["https://app.example"], keysAreRequired: false, isLoopbackOnly: true)

    @Test(arguments: [
        ("http://localhost:3000", true), ("http://127.0.0.1", true), ("http://[::1]:8080", true), ("http://app.localhost", true),
        ("https://evil.example", false), ("http://localhost.evil.example", false), ("http://127.evil.example", false),
        ("http://127.0.0.1.evil.example", false), ("null", false), ("http://[::1].evil.example", false),
    ])
    func withoutKeysOnlyPagesOfThisMachineMayCall(origin: String, isAllowed: Bool) throws {
        let request = try request(["Host: localhost:8080", "Origin: \(origin)"])
        #expect(Self.open.allows(origin) == isAllowed)
        #expect(try mayCall(Self.open, "Host: localhost:8080", "Origin: \(origin)") == isAllowed)
        let fields = Self.open.fields(for: request)
        #expect(fields.contains { $0.name == "Access-Control-Allow-Origin" } == isAllowed)
        #expect(fields.contains { $0.name == "Vary" && $0.value == "Origin" })
    }

    @Test func withKeysAnyPageMayCall() throws {
        #expect(try mayCall(Self.keyed, "Host: interject.example", "Origin: https://anything.example"))
    }

    @Test func aListReplacesTheRule() throws {
        #expect(try mayCall(Self.listed, "Host: localhost", "Origin: https://app.example"))
        #expect(try !mayCall(Self.listed, "Host: localhost", "Origin: http://localhost:3000"))
    }

    @Test func aPageOfTheServersOwnHostMayCall() throws {
        #expect(try mayCall(Self.listed, "Host: localhost:8080", "Origin: http://localhost:8080"))
    }

    /// DNS rebinding: the page's own name leads to the loopback address.
    @Test(arguments: [("evil.example", false), ("localhost", true), ("127.0.0.1:8080", true), ("[::1]:8080", true)])
    func withoutKeysTheServerIsCalledByANameOfThisMachine(host: String, isAllowed: Bool) throws {
        #expect(try mayCall(Self.open, "Host: \(host)") == isAllowed)
        #expect(try mayCall(Self.keyed, "Host: \(host)"))
    }

    /// A browser comes there by a proxy, which has a name of its own and passes the page's origin on.
    @Test func aProxyByTheUnixSocketBringsPagesThatAreLookedAt() throws {
        #expect(try mayCall(Self.open, "Host: interject.example", isByUnixSocket: true))
        #expect(try !mayCall(Self.open, "Host: interject.example", "Origin: https://evil.example", isByUnixSocket: true))
        #expect(try !mayCall(Self.open, "Host: interject.example", "Sec-Fetch-Site: cross-site", isByUnixSocket: true))
        #expect(try mayCall(Self.open, "Host: interject.example", "Origin: https://interject.example", isByUnixSocket: true))
    }
}
