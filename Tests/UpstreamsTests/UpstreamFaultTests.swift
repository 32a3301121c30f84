import HTTP
import JSON
import Network
import Sessions
import Testing

@testable import Upstreams

@Suite struct UpstreamFaultTests {
    private static func fault(_ value: JSONValue) -> UpstreamFault {
        if let status = value["status"]?.int {
            let body = Array((value["body"]?.string ?? "").utf8)
            return .status(status, UpstreamErrorObject(body: body), retryAfterSeconds: value["retryAfter"]?.double)
        }
        if let error = value["inBand"] { return .inBand(UpstreamErrorObject(error)) }
        if value["truncated"] != nil { return .truncated }
        if let what = value["malformed"]?.string { return .malformed(what) }
        if let type = value["notAStream"]?.string { return .notAStream(contentType: type) }
        switch value["transport"]?.string {
        case "couldNotResolve": return .transport(.couldNotResolve)
        case "couldNotConnect": return .transport(.couldNotConnect)
        case "tls": return .transport(.tls("x"))
        case "connectTimedOut": return .transport(.connectTimedOut)
        case "silence": return .transport(.silence(.seconds(60)))
        case "cut": return .transport(.cut)
        default: return .transport(.notHTTP("x"))
        }
    }

    /// Unwrapped one by one these would take seconds and the stack.
    @Test func anEventWithinAnEventIsWords() {
        let body = Array(String(repeating: "data: ", count: 10_000).utf8) + Array(#"{"error":"x"}"#.utf8)
        let message = UpstreamErrorObject(body: body).message ?? ""
        #expect(message.hasPrefix("data: data: "))
        #expect(message.count <= UpstreamErrorObject.maxPlainCharacters + 1)
        #expect(UpstreamErrorObject(body: Array(#"data: {"error":"x"}"#.utf8)).message == "x")
    }

    @Test func everyFaultBecomesATypedError() throws {
        let cases = try UpstreamVectors.cases("faults.json")
        #expect(cases.count > 25)
        for vector in cases {
            let name = vector["name"]?.string ?? ""
            let fault = Self.fault(vector["fault"] ?? .null)
            let error = fault.generationError(upstream: "up:1", model: "m", key: "secret-key")
            #expect(error.code == vector["code"]?.string, "\(name)")
            #expect(error.status == vector["status"]?.int, "\(name)")
            #expect(error.type == vector["type"]?.string, "\(name)")
            #expect(fault.isRetryable == vector["retryable"]?.bool, "\(name)")
            #expect(!error.message.isEmpty && !error.message.contains("secret-key") && !error.message.contains("sk-1"), "\(name)")
            if let message = vector["message"]?.string { #expect(error.message == message, "\(name)") }
            #expect(error.retryAfterSeconds == vector["retryAfter"]?.double, "\(name)")
            #expect(error.param == vector["param"]?.string, "\(name)")
            if let fallsOver = vector["fallsOver"]?.bool { #expect(fault.mayFallOver == fallsOver, "\(name)") }
        }
    }

    @Test func pausesGrowToABound() {
        let fault = UpstreamFault.transport(.couldNotConnect)
        let delays = (1...8).map { RetryPolicy.delay(after: fault, attempt: $0, maxAttempts: 99, jitter: 1) ?? -1 }
        #expect(delays == [0.25, 0.5, 1, 2, 4, 4, 4, 4])
        #expect(RetryPolicy.delay(after: fault, attempt: 1, maxAttempts: 2, jitter: 0) == 0.1875)
        #expect(RetryPolicy.delay(after: fault, attempt: 2, maxAttempts: 2, jitter: 0) == nil)
        #expect(RetryPolicy.delay(after: .malformed("x"), attempt: 1, maxAttempts: 9, jitter: 0) == nil)
    }

    @Test func whatTheUpstreamAsksForIsKeptUnlessItIsTooLong() {
        func delay(_ seconds: Double) -> Double? {
            RetryPolicy.delay(
                after: .status(429, UpstreamErrorObject(), retryAfterSeconds: seconds), attempt: 1, maxAttempts: 3, jitter: 0)
        }
        #expect(delay(0) == 0 && delay(10) == 10 && delay(11) == nil)
    }
}
