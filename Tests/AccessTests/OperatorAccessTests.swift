import HTTP
import Network
import Testing

@testable import Access

@Suite struct OperatorAccessTests {
    private func refusal(
        _ change: (inout AccessSettings) -> Void, isLoopbackOnly: Bool = true, _ fields: (String, String)...
    ) throws -> AccessError? {
        var settings = AccessSettings()
        change(&settings)
        let lines = fields.map { "\($0.0): \($0.1)\r\n" }.joined()
        var parser = RequestParser()
        let head: RequestHead? = try Array("GET /metrics HTTP/1.1\r\nHost: h\r\n\(lines)\r\n".utf8).withUnsafeBytes { bytes in
            var input = bytes
            if case .head(let head) = try parser.next(&input) { return head }
            return nil
        }
        let request = try #require(head)
        do throws(AccessError) {
            try OperatorAccess(settings, isLoopbackOnly: isLoopbackOnly).check(
                request, from: nil, attempts: FailedAttempts(perMinute: 0, includesLoopback: false), now: .monotonicNow)
            return nil
        } catch {
            return error
        }
    }

    private static let key = AccessSettings.Principal(name: "ann", key: "ann-key")

    @Test func withoutAnyKeyItIsOpenOnThisMachineOnly() throws {
        #expect(try refusal { _ in } == nil)
        #expect(try refusal({ _ in }, isLoopbackOnly: false) == .operatorKeyNotSet)
    }

    @Test func theKeyOfAClientDoesNotOpenIt() throws {
        let bearer = ("Authorization", "Bearer ann-key")
        #expect(try refusal({ $0.principals = [Self.key] }, bearer) == .operatorKeyNotSet)
        #expect(
            try refusal(
                {
                    $0.principals = [Self.key]
                    $0.operatorKey = "op"
                }, bearer) == .operatorKeyNeeded)
    }

    @Test func theOperatorsKeyOpensIt() throws {
        #expect(try refusal({ $0.operatorKey = "op" }, ("Authorization", "Bearer op")) == nil)
        #expect(try refusal({ $0.operatorKey = "op" }) == .operatorKeyNeeded)
    }
}
