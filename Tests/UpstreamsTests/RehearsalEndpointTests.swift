import HTTP
import JSON
import LoopbackServer
import Network
import Testing

@testable import Upstreams

@Suite("Rehearsal endpoint", BlockingThread())
struct RehearsalEndpointTests {
    @Test func streamsOneTokenInAChunk() async throws {
        try await withRehearsal { rehearsal in
            let answer = try rehearsal.ask(
                "POST", "/v1/chat/completions", rehearsalBody("Say \"hi\" [[rehearsal tokens=50 pace=0]]"))
            #expect(answer.status == 200 && answer.isWhole)
            #expect(answer.fields["content-type"] == "text/event-stream; charset=utf-8")
            #expect(answer.tokens.count == 50)
            #expect(answer.tokens.joined().hasPrefix("This is the rehearsal model, no AI: you said “Say \"hi\"”. "))
            #expect(answer.data.last == "[DONE]")
            let events = answer.events.dropLast()
            #expect(events.count == 52)
            #expect(events.allSatisfy { $0["object"]?.string == "chat.completion.chunk" && $0["model"]?.string == "rehearsal" })
            #expect(Set(events.compactMap { $0["id"]?.string }).count == 1)
            #expect(events.first?["choices"]?[0]?["delta"]?["role"]?.string == "assistant")
            #expect(events.last?["choices"]?[0]?["finish_reason"]?.string == "stop")
            #expect(events.allSatisfy { $0["usage"] == nil })
        }
    }

    @Test func tellsUsageWhenAsked() async throws {
        try await withRehearsal { rehearsal in
            let answer = try rehearsal.ask(
                "POST", "/chat/completions",
                rehearsalBody("one two [[rehearsal tokens=9 pace=0]]", ["stream_options": ["include_usage": true]]))
            let events = answer.events.dropLast()
            #expect(events.last?["usage"]?["completion_tokens"]?.int == 9)
            #expect(events.last?["usage"]?["prompt_tokens"]?.int == 5)
            #expect(events.last?["choices"]?.array?.isEmpty == true)
            #expect(events.dropLast().allSatisfy { $0["usage"]?.isNull == true })
        }
    }

    @Test func answersWholeWithTheSameText() async throws {
        try await withRehearsal { rehearsal in
            let prompt = "hello [[rehearsal tokens=70 pace=0]]"
            let whole = try rehearsal.ask("POST", "/v1/chat/completions", rehearsalBody(prompt, stream: false))
            let stream = try rehearsal.ask("POST", "/v1/chat/completions", rehearsalBody(prompt))
            #expect(whole.json["choices"]?[0]?["message"]?["content"]?.string == stream.tokens.joined())
            #expect(whole.json["choices"]?[0]?["finish_reason"]?.string == "stop")
            #expect(whole.json["usage"]?["completion_tokens"]?.int == 70)
            #expect(whole.json["object"]?.string == "chat.completion")
        }
    }

    @Test func keepsTheLimitOfTokens() async throws {
        try await withRehearsal { rehearsal in
            let answer = try rehearsal.ask(
                "POST", "/v1/chat/completions", rehearsalBody("x [[rehearsal tokens=70 pace=0]]", ["max_completion_tokens": 7]))
            #expect(answer.tokens.count == 7)
            #expect(answer.events.dropLast().last?["choices"]?[0]?["finish_reason"]?.string == "length")
        }
    }

    @Test func speaksAnthropicsDialect() async throws {
        try await withRehearsal { rehearsal in
            let body: JSONValue = [
                "model": "rehearsal-fast", "max_tokens": 4096, "stream": true, "system": "Be brief.",
                "messages": [["role": "user", "content": [["type": "text", "text": "Bonjour [[rehearsal tokens=30]]"]]]],
            ]
            let answer = try rehearsal.ask("POST", "/v1/messages", body.description)
            #expect(answer.isWhole && answer.tokens.count == 30)
            #expect(
                answer.types
                    == ["message_start", "ping", "content_block_start"]
                    + Array(repeating: "content_block_delta", count: 30)
                    + ["content_block_stop", "message_delta", "message_stop"])
            #expect(answer.types == answer.events.map { $0["type"]?.string ?? "" })
            #expect(answer.events.first?["message"]?["usage"]?["input_tokens"]?.int == 5)
            let delta = answer.events.first { $0["type"]?.string == "message_delta" }
            #expect(delta?["delta"]?["stop_reason"]?.string == "end_turn" && delta?["usage"]?["output_tokens"]?.int == 30)
            #expect(answer.tokens.joined().contains("“Bonjour”"))

            var whole = body
            whole["stream"] = false
            let message = try rehearsal.ask("POST", "/v1/messages", whole.description).json
            #expect(message["content"]?[0]?["text"]?.string == answer.tokens.joined())
            #expect(message["stop_reason"]?.string == "end_turn" && message["type"]?.string == "message")
            let error = try rehearsal.ask("POST", "/v1/messages", "{}")
            #expect(error.status == 400 && error.json["error"]?["type"]?.string == "invalid_request_error")
            #expect(error.json["type"]?.string == "error")
        }
    }

    @Test func callsATool() async throws {
        try await withRehearsal { rehearsal in
            let prompt = "[[rehearsal tool=search pace=0]]"
            let stream = try rehearsal.ask("POST", "/v1/chat/completions", rehearsalBody(prompt))
            let calls = stream.events.compactMap { $0["choices"]?[0]?["delta"]?["tool_calls"]?[0] }
            #expect(calls.first?["function"]?["name"]?.string == "search" && calls.first?["id"]?.string?.isEmpty == false)
            #expect(calls.count > 3)
            #expect(calls.compactMap { $0["function"]?["arguments"]?.string }.joined() == "{\"query\":\"rehearsal\"}")
            #expect(stream.events.dropLast().last?["choices"]?[0]?["finish_reason"]?.string == "tool_calls")
            let whole = try rehearsal.ask("POST", "/v1/chat/completions", rehearsalBody(prompt, stream: false)).json
            let call = whole["choices"]?[0]?["message"]?["tool_calls"]?[0]
            #expect(call?["function"]?["arguments"]?.string == "{\"query\":\"rehearsal\"}")
            let message = try rehearsal.ask("POST", "/v1/messages", rehearsalBody(prompt, stream: false)).json
            #expect(message["content"]?[0]?["input"]?["query"]?.string == "rehearsal")
            #expect(message["stop_reason"]?.string == "tool_use")
            let deltas = try rehearsal.ask("POST", "/v1/messages", rehearsalBody(prompt)).events
            #expect(
                deltas.compactMap { $0["delta"]?["partial_json"]?.string }.joined() == "{\"query\":\"rehearsal\"}")
            // With the result at hand it speaks.
            let after: JSONValue = [
                "stream": true,
                "messages": [
                    ["role": "user", "content": .string(prompt)], ["role": "assistant", "content": .null],
                    ["role": "tool", "tool_call_id": "c", "content": "42"],
                ],
            ]
            #expect(try rehearsal.ask("POST", "/v1/chat/completions", after.description).tokens.count >= 60)
        }
    }

    @Test func listsItsModels() async throws {
        try await withRehearsal { rehearsal in
            let models = try rehearsal.ask("GET", "/v1/models").json
            #expect(models["data"]?.array?.compactMap { $0["id"]?.string } == ["rehearsal", "rehearsal-fast"])
            #expect(models["data"]?[0]?["owned_by"]?.string == "interject-rehearsal")
            #expect(rehearsal.baseURL.hasPrefix("http://127.0.0.1:") && rehearsal.baseURL.hasSuffix("/v1"))
        }
    }

    @Test(arguments: [
        "", "{", "[]", "{}", "{\"messages\":[]}", "{\"messages\":{}}", "{\"messages\":[1]}",
        "{\"messages\":[{\"content\":\"x\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":1}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":0}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"[[rehearsal tokens=x]]\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"rehearsal\":7}",
    ])
    func refusesBodiesThatItCannotAnswer(_ body: String) async throws {
        try await withRehearsal { rehearsal in
            let answer = try rehearsal.ask("POST", "/v1/chat/completions", body)
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["type"]?.string == "invalid_request_error")
            #expect(answer.json["error"]?["message"]?.string?.isEmpty == false)
        }
    }

    @Test func knowsNoOtherPath() async throws {
        try await withRehearsal { rehearsal in
            for (method, path) in [("GET", "/"), ("GET", "/v1/chat/completions"), ("POST", "/v1/models"), ("DELETE", "/stats")] {
                let answer = try rehearsal.ask(method, path)
                #expect(answer.status == 404 && answer.json["error"]?["type"]?.string == "not_found_error")
            }
            #expect(try rehearsal.ask("GET", "/requests?limit=0").status == 400)
        }
    }

    @Test func remembersRequests() async throws {
        try await withRehearsal { rehearsal in
            let client = try RehearsalClient(rehearsal)
            for index in 0..<5 {
                _ = client.ask(
                    "POST", "/v1/chat/completions",
                    rehearsalBody("Naïve \(index) [[rehearsal tokens=5 pace=0]]", stream: index % 2 == 0))
            }
            let all = client.ask("GET", "/requests").json["data"]?.array ?? []
            #expect(all.count == 5)
            #expect(all.first?["messages"]?[0]?["content"]?.string == "Naïve 4 [[rehearsal tokens=5 pace=0]]")
            #expect(all.allSatisfy { $0["state"]?.string == "completed" && $0["tokens_sent"]?.int == 5 })
            #expect(all.allSatisfy { $0["dialect"]?.string == "openai" && $0["model"]?.string == "rehearsal" })
            #expect(all.map { $0["stream"]?.bool } == [true, false, true, false, true])
            for record in all {
                let started = try #require(record["started_ns"]?.int)
                let first = try #require(record["first_token_ns"]?.int)
                let ended = try #require(record["ended_ns"]?.int)
                #expect(started <= first && first <= ended)
            }
            #expect(client.ask("GET", "/requests?limit=2").json["data"]?.array?.count == 2)
            #expect(client.ask("GET", "/requests?contains=Na%C3%AFve+3").json["data"]?.array?.count == 1)
            #expect(client.ask("GET", "/requests?contains=naive").json["data"]?.array?.count == 0)
            let stats = client.ask("GET", "/stats").json
            #expect(stats["requests"]?.int == 5 && stats["streams_completed"]?.int == 5 && stats["tokens_sent"]?.int == 25)
            #expect(stats["active"]?.int == 0 && stats["aborts_seen"]?.int == 0 && (stats["now_ns"]?.int ?? 0) > 0)
            #expect(client.ask("POST", "/stats/reset").json["requests"]?.int == 0)
            #expect(client.ask("GET", "/requests").json["data"]?.array?.isEmpty == true)
        }
    }
}

@Suite("Rehearsal request log", BlockingThread())
struct RehearsalRequestLogTests {
    private func record(_ id: Int, _ texts: [String]) -> RehearsalRecord {
        RehearsalRecord(
            id: "\(id)", model: "m", dialect: .messages, isStream: true,
            conversation: RehearsalConversation(texts.map { .init(role: "user", text: $0) }), startedNanoseconds: 0)
    }

    @Test func keepsTheNewestWithinItsBounds() {
        var log = RehearsalRequestLog()
        for id in 1...3000 { log.append(record(id, ["text \(id)"])) }
        let kept = log.newest(5000, containing: nil)
        #expect(kept.count == RehearsalRequestLog.maxRequests)
        #expect(kept.first?.id == "3000" && kept.last?.id == "\(3000 - RehearsalRequestLog.maxRequests + 1)")
        let large = String(repeating: "ü", count: RehearsalRequestLog.maxRequestBytes)
        for id in 1...300 { log.append(record(id, ["x", large, "newest"])) }
        let largest = log.newest(5000, containing: "newest")
        let room = RehearsalRequestLog.maxBytes / RehearsalRequestLog.maxRequestBytes
        #expect(largest.count <= room && largest.count > room - 6)
        #expect(largest.allSatisfy { $0.byteCount <= RehearsalRequestLog.maxRequestBytes && $0.messages[2].text == "newest" })
        #expect(largest[0].messages[1].text.allSatisfy { $0 == "ü" } && !largest[0].messages[1].text.isEmpty)
        #expect(largest[0].messages[0].text == "")
    }
}
