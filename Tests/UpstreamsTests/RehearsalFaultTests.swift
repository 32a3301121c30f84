import Glibc
import HTTP
import JSON
import LoopbackServer
import Network
import Testing

@testable import Upstreams

@Suite("Rehearsal faults and pace", BlockingThread())
struct RehearsalFaultTests {
    private func ask(_ rehearsal: Rehearsal, _ directives: String, stream: Bool = true) throws -> RehearsalClient.Answer {
        try rehearsal.ask(
            "POST", "/v1/chat/completions", rehearsalBody("go [[rehearsal tokens=20 pace=0 \(directives)]]", stream: stream))
    }

    private func lastState(_ rehearsal: Rehearsal) throws -> String? {
        try rehearsal.ask("GET", "/requests?limit=1").json["data"]?[0]?["state"]?.string
    }

    @Test func cutsTheConnection() async throws {
        try await withRehearsal { rehearsal in
            for count in [0, 1, 7, 20] {
                let answer = try ask(rehearsal, "fail_after=\(count)")
                #expect(answer.tokens.count == count && !answer.isWhole && answer.failure == ECONNRESET)
                #expect(try lastState(rehearsal) == "failed")
            }
            #expect(try ask(rehearsal, "fail_after=21").data.last == "[DONE]")
            let whole = try ask(rehearsal, "fail_after=3", stream: false)
            #expect(whole.status == 0 && whole.failure == ECONNRESET)
        }
    }

    @Test func failsInTheStream() async throws {
        try await withRehearsal { rehearsal in
            let answer = try ask(rehearsal, "error_after=3")
            #expect(answer.tokens.count == 3 && answer.isWhole)
            #expect(answer.events.last?["error"]?["type"]?.string == "server_error")
            #expect(try lastState(rehearsal) == "failed")
            let whole = try ask(rehearsal, "error_after=3", stream: false)
            #expect(whole.status == 500 && whole.json["error"]?["message"]?.string?.contains("error_after=3") == true)
            let message = try rehearsal.ask("POST", "/v1/messages", rehearsalBody("[[rehearsal error_after=2 pace=0]]"))
            #expect(message.types.last == "error" && message.events.last?["error"]?["type"]?.string == "api_error")
        }
    }

    @Test func endsWithoutAnEnd() async throws {
        try await withRehearsal { rehearsal in
            let answer = try ask(rehearsal, "end_after=4")
            #expect(answer.tokens.count == 4 && answer.isWhole && !answer.data.contains("[DONE]"))
            #expect(answer.events.allSatisfy { $0["choices"]?[0]?["finish_reason"]?.isNull == true })
            let whole = try ask(rehearsal, "end_after=4", stream: false).json
            #expect(whole["choices"]?[0]?["finish_reason"]?.isNull == true && whole["usage"]?["completion_tokens"]?.int == 4)
        }
    }

    @Test func saysGarbage() async throws {
        try await withRehearsal { rehearsal in
            let answer = try ask(rehearsal, "garbage_after=4")
            #expect(answer.data.last == "[DONE]" && answer.tokens.count == 20)
            #expect(answer.events.firstIndex { $0.isNull } == 5)
            #expect(try ask(rehearsal, "garbage_after=4", stream: false).json.isNull)
        }
    }

    @Test func stallsUntilTheClientLeaves() async throws {
        try await withRehearsal { rehearsal in
            let client = try RehearsalClient(rehearsal)
            client.send("POST", "/v1/chat/completions", rehearsalBody("[[rehearsal stall_after=2 pace=0]]"))
            let answer = client.read { $0.contains(" is") }
            #expect(answer.tokens.count == 2)
            try await Task.sleep(for: .milliseconds(50))
            #expect(try rehearsal.ask("GET", "/stats").json["active"]?.int == 1)
            client.close()
            let stats = try await rehearsal.stats { $0["aborts_seen"]?.int == 1 }
            #expect(stats["aborts_seen"]?.int == 1 && stats["active"]?.int == 0)
            #expect(try lastState(rehearsal) == "aborted")
        }
    }

    @Test func refusesWithAStatus() async throws {
        try await withRehearsal { rehearsal in
            let answer = try ask(rehearsal, "status=429 retry_after=3")
            #expect(answer.status == 429 && answer.fields["retry-after"] == "3")
            #expect(answer.json["error"]?["type"]?.string == "rate_limit_error")
            #expect(try ask(rehearsal, "status=503").fields["retry-after"] == nil)
            #expect(
                try rehearsal.ask("POST", "/v1/messages", rehearsalBody("[[rehearsal status=529]]")).json["error"]?["type"]?
                    .string == "overloaded_error")
        }
    }

    @Test func worksAfterSoManyFailures() async throws {
        try await withRehearsal { rehearsal in
            for _ in 0..<2 { #expect(try ask(rehearsal, "status=500 fail_times=2").status == 500) }
            #expect(try ask(rehearsal, "status=500 fail_times=2").data.last == "[DONE]")
            #expect(try ask(rehearsal, "status=500 fail_times=2 seed=1").status == 500, "another prompt has a count of its own")
            #expect(try ask(rehearsal, "fail_after=2 fail_times=1").failure == ECONNRESET)
            #expect(try ask(rehearsal, "fail_after=2 fail_times=1").data.last == "[DONE]")
            _ = try rehearsal.ask("POST", "/stats/reset")
            #expect(try ask(rehearsal, "status=500 fail_times=2").status == 500)
        }
    }

    @Test(arguments: [true, false]) func countsAnAbortAtOnce(stream: Bool) async throws {
        try await withRehearsal { rehearsal in
            let client = try RehearsalClient(rehearsal)
            client.send("POST", "/v1/chat/completions", rehearsalBody("[[rehearsal tokens=1000 pace=100]]", stream: stream))
            if stream { _ = client.read { $0.contains(" is") } }
            _ = try await rehearsal.stats { $0["active"]?.int == 1 }
            let closed = Instant.monotonicNow.nanoseconds
            client.close()
            let stats = try await rehearsal.stats { $0["aborts_seen"]?.int == 1 }
            #expect(stats["aborts_seen"]?.int == 1)
            let record = try rehearsal.ask("GET", "/requests").json["data"]?[0]
            let ended = try #require(record?["ended_ns"]?.int)
            #expect(ended - Int(closed) < 250_000_000)
            let sent = record?["tokens_sent"]?.int
            try await Task.sleep(for: .milliseconds(60))
            #expect(try rehearsal.ask("GET", "/requests").json["data"]?[0]?["tokens_sent"]?.int == sent)
        }
    }

    @Test func keepsItsPace() async throws {
        try await withRehearsal { rehearsal in
            let begun = Instant.monotonicNow
            let answer = try rehearsal.ask(
                "POST", "/v1/chat/completions", rehearsalBody("[[rehearsal tokens=101 pace=500 first_token_ms=100]]"))
            let seconds = (Instant.monotonicNow - begun).seconds
            #expect(answer.tokens.count == 101)
            #expect(seconds >= 0.3 && seconds < 1, "\(seconds) s")
            let record = try rehearsal.ask("GET", "/requests").json["data"]?[0]
            let first = try #require(record?["first_token_ns"]?.int)
            let started = try #require(record?["started_ns"]?.int)
            #expect(first - started >= 100_000_000)
        }
    }

    @Test func servesManyAtOnce() async throws {
        try await withRehearsal { rehearsal in
            let clients = try (0..<50).map { _ in try RehearsalClient(rehearsal) }
            for (index, client) in clients.enumerated() {
                client.send(
                    "POST", "/v1/chat/completions",
                    rehearsalBody("number \(index) [[rehearsal tokens=100 pace=\(index % 2 * 1000)]]"))
            }
            for (index, client) in clients.enumerated() {
                let answer = client.read()
                #expect(answer.isWhole && answer.tokens.count == 100 && answer.data.last == "[DONE]")
                #expect(answer.tokens.joined().contains("“number \(index)”"))
            }
            let stats = try rehearsal.ask("GET", "/stats").json
            #expect(stats["streams_completed"]?.int == 50 && stats["tokens_sent"]?.int == 5000 && stats["active"]?.int == 0)
        }
    }

    @Test func waitsForAClientThatReadsSlowly() async throws {
        try await withRehearsal { rehearsal in
            let client = try RehearsalClient(rehearsal, receiveBufferByteCount: 4096)
            client.send("POST", "/v1/chat/completions", rehearsalBody("[[rehearsal tokens=40000 pace=0]]"))
            try await Task.sleep(for: .milliseconds(150))
            // Others are served meanwhile, and what is not taken is not made.
            let stats = try rehearsal.ask("GET", "/stats").json
            #expect(stats["active"]?.int == 1)
            #expect((stats["tokens_sent"]?.int ?? .max) < 40_000)
            let answer = client.read { $0.utf8.count > 200_000 }
            #expect(answer.failure == nil)
            client.close()
            #expect(try await rehearsal.stats { $0["aborts_seen"]?.int == 1 }["aborts_seen"]?.int == 1)
        }
    }
}
