import HTTP
import Network
import Testing

@testable import Server

@Suite struct OperatorAccessTests {
    private func refusal(_ change: (inout ServerConfiguration) -> Void, _ fields: (String, String)...) throws -> String? {
        var configuration = ServerConfiguration()
        change(&configuration)
        let lines = fields.map { "\($0.0): \($0.1)\r\n" }.joined()
        var parser = RequestParser()
        let head: RequestHead? = try Array("GET /metrics HTTP/1.1\r\nHost: h\r\n\(lines)\r\n".utf8).withUnsafeBytes { bytes in
            var input = bytes
            if case .head(let head) = try parser.next(&input) { return head }
            return nil
        }
        let request = try #require(head)
        do throws(APIError) {
            try OperatorAccess(configuration).check(
                request, from: nil, attempts: FailedAttempts(perMinute: 0, includesLoopback: false), now: .monotonicNow)
            return nil
        } catch {
            return error.code
        }
    }

    private static let key = ServerConfiguration.Principal(name: "ann", key: "ann-key")

    @Test func withoutAnyKeyItIsOpenOnThisMachineOnly() throws {
        #expect(try refusal { _ in } == nil)
        #expect(try refusal { $0.addresses = [.tcp(host: "0.0.0.0", port: 1)] } == "operator_key_not_set")
    }

    @Test func theKeyOfAClientDoesNotOpenIt() throws {
        let bearer = ("Authorization", "Bearer ann-key")
        #expect(try refusal({ $0.principals = [Self.key] }, bearer) == "operator_key_not_set")
        #expect(
            try refusal(
                {
                    $0.principals = [Self.key]
                    $0.operatorKey = "op"
                }, bearer) == "operator_key_needed")
    }

    @Test func theOperatorsKeyOpensIt() throws {
        #expect(try refusal({ $0.operatorKey = "op" }, ("Authorization", "Bearer op")) == nil)
        #expect(try refusal({ $0.operatorKey = "op" }) == "operator_key_needed")
    }
}
