import JSON
import Sessions
import Testing

@testable import Upstreams

/// Writes down the calls, in the notation of the vectors.
final class RecordingSink: ModelSink {
    var calls: [String] = []

    private func text(_ escaped: UnsafeRawBufferPointer) -> String { String(decoding: escaped, as: UTF8.self) }
    func textDelta(escaped: UnsafeRawBufferPointer) { if !escaped.isEmpty { calls.append("text \(text(escaped))") } }
    func refusalDelta(escaped: UnsafeRawBufferPointer) { if !escaped.isEmpty { calls.append("refusal \(text(escaped))") } }
    func reasoningDelta(escaped: UnsafeRawBufferPointer) { if !escaped.isEmpty { calls.append("reasoning \(text(escaped))") } }
    func toolCall(index: Int, callID: String, name: String) { calls.append("tool \(index) \(callID) \(name)") }
    func toolCallArguments(index: Int, escaped: UnsafeRawBufferPointer) {
        if !escaped.isEmpty { calls.append("arguments \(index) \(text(escaped))") }
    }
    func noteFinish(word: String) { calls.append("finish \(word)") }
    func noteUnnamedToolCalls(_ count: Int) { calls.append("unnamed \(count)") }
    func reportUsage(_ usage: Usage) {
        calls.append("usage \(usage.inputTokens) \(usage.outputTokens) \(usage.cachedTokens) \(usage.reasoningTokens)")
    }
}

@Suite struct DecoderTests {
    struct Reading: Equatable {
        var calls: [String]
        var outcome: String
    }

    private static func read<Decoder: ResponseDecoder & ~Copyable>(
        _ type: Decoder.Type, _ parts: [ArraySlice<UInt8>], isWhole: Bool = false
    ) -> Reading {
        let sink = RecordingSink()
        var decoder = Decoder()
        do throws(UpstreamFault) {
            if isWhole {
                let reason = try whole(&decoder, Array(parts.joined()), sink)
                return Reading(calls: sink.calls, outcome: "\(reason)")
            }
            for part in parts {
                let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: part.count, alignment: 1)
                defer { bytes.deallocate() }
                bytes.copyBytes(from: part)
                if let reason = try decoder.receive(UnsafeRawBufferPointer(bytes), into: sink) {
                    return Reading(calls: sink.calls, outcome: "\(reason)")
                }
            }
            let reason = try decoder.end(into: sink)
            return Reading(calls: sink.calls, outcome: "\(reason)")
        } catch {
            return Reading(calls: sink.calls, outcome: describe(error))
        }
    }

    private static func whole<Decoder: ResponseDecoder & ~Copyable>(
        _ decoder: inout Decoder, _ body: [UInt8], _ sink: RecordingSink
    ) throws(UpstreamFault) -> FinishReason {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 1)
        defer { bytes.deallocate() }
        bytes.copyBytes(from: body)
        return try decoder.receiveWhole(UnsafeRawBufferPointer(bytes), into: sink)
    }

    private static func describe(_ fault: UpstreamFault) -> String {
        switch fault {
        case .inBand(let error): "error \(error.type ?? "-") \(error.code ?? "-") \(error.message ?? "-")"
        case .malformed: "malformed"
        case .truncated: "truncated"
        default: "\(fault)"
        }
    }

    private func check<Decoder: ResponseDecoder & ~Copyable>(_ type: Decoder.Type, _ file: String) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = UpstreamRandom(state: seed)
        let cases = try UpstreamVectors.cases(file)
        #expect(cases.count > 15)
        for vector in cases {
            let name = vector["name"]?.string ?? ""
            let body = Array((vector["body"]?.string ?? "").utf8)
            let isWhole = vector["whole"]?.bool ?? false
            let expected = Reading(
                calls: vector["calls"]?.array?.compactMap(\.string) ?? [], outcome: vector["outcome"]?.string ?? "")
            #expect(Self.read(type, [body[...]], isWhole: isWhole) == expected, "\(name)")
            if isWhole { continue }
            #expect(Self.read(type, body.indices.map { body[$0...$0] }) == expected, "\(name), byte by byte")
            for place in body.indices {
                let reading = Self.read(type, [body[..<place], body[place...]])
                if reading != expected { Issue.record("\(name), split at \(place): \(reading)") }
            }
            for _ in 0..<8 {
                var parts: [ArraySlice<UInt8>] = []
                var rest = body[...]
                while !rest.isEmpty {
                    let count = Int.random(in: 1...min(rest.count, 60), using: &random)
                    parts.append(rest.prefix(count))
                    rest = rest.dropFirst(count)
                }
                #expect(Self.read(type, parts) == expected, "\(name), seed \(seed)")
            }
        }
    }

    /// Changed bytes never crash, and the calls do not depend on how the body is cut.
    private func fuzz<Decoder: ResponseDecoder & ~Copyable>(_ type: Decoder.Type, _ file: String) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = UpstreamRandom(state: seed)
        for vector in try UpstreamVectors.cases(file) {
            for _ in 0..<40 {
                var body = Array((vector["body"]?.string ?? "").utf8)
                guard !body.isEmpty else { continue }
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let place = body.indices.randomElement(using: &random) ?? 0
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: body[place] = UInt8.random(in: 0...255, using: &random)
                    case 1: body.insert(Array("{}[]\":,0\\\n-u".utf8).randomElement(using: &random) ?? 0, at: place)
                    default: if body.count > 1 { body.remove(at: place) }
                    }
                }
                let whole = Self.read(type, [body[...]])
                let place = body.indices.randomElement(using: &random) ?? 0
                #expect(Self.read(type, [body[..<place], body[place...]]) == whole, "seed \(seed)")
                _ = Self.read(type, [body[...]], isWhole: true)
            }
        }
    }

    @Test func chatStreamsAreReadWhateverTheirPieces() throws {
        try check(ChatCompletionsDecoder.self, "chat-streams.json")
    }

    @Test func anthropicStreamsAreReadWhateverTheirPieces() throws {
        try check(AnthropicMessagesDecoder.self, "anthropic-streams.json")
    }

    @Test func mutatedChatStreamsDoNoHarm() throws { try fuzz(ChatCompletionsDecoder.self, "chat-streams.json") }

    @Test func mutatedAnthropicStreamsDoNoHarm() throws { try fuzz(AnthropicMessagesDecoder.self, "anthropic-streams.json") }

    @Test func anIdentifierThatNoClientCouldSendBackIsReplaced() {
        for (length, isKept) in [(UpstreamLimits.maxCallIDBytes, true), (UpstreamLimits.maxCallIDBytes + 1, false)] {
            let id = String(repeating: "i", count: length)
            let call = "{\"index\":0,\"id\":\"\(id)\",\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}}"
            let body =
                "data: {\"choices\":[{\"delta\":{\"tool_calls\":[\(call)]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
            let reading = Self.read(ChatCompletionsDecoder.self, [Array(body.utf8)[...]])
            #expect(reading.calls == ["tool 0 \(isKept ? id : "") look", "arguments 0 {}"])
        }
    }

    private static func bytes(_ parts: [UInt8]...) -> ArraySlice<UInt8> { Array(parts.joined())[...] }

    /// A chunk whose text is these bytes, which need be no UTF-8.
    private static func chunk(_ text: [UInt8]) -> [UInt8] {
        Array("data: {\"choices\":[{\"delta\":{\"content\":\"".utf8) + text + Array("\"}}]}\n\n".utf8)
    }

    @Test func bytesThatAreNoCharacterAreJoinedOrReplaced() {
        let end = Array("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".utf8)
        let halves = Self.bytes(Self.chunk([0x61, 0xF0, 0x9F]), Self.chunk([0x98, 0x80, 0x62]), end)
        #expect(Self.read(ChatCompletionsDecoder.self, [halves]) == Reading(calls: ["text a", "text 😀b"], outcome: "stop"))
        let lone = Self.bytes(Self.chunk([0x61, 0xFF, 0x62]), Self.chunk([0xC3]), end)
        #expect(
            Self.read(ChatCompletionsDecoder.self, [lone])
                == Reading(calls: ["text a\u{FFFD}b", "text \u{FFFD}"], outcome: "stop"))
    }

    @Test func anEventBeyondTheLimitBehindTheFinishReasonLeavesTheAnswerWhole() {
        let sink = RecordingSink()
        var decoder = ChatCompletionsDecoder()
        let start = Array("data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: ".utf8)
        var caught: UpstreamFault?
        var reason: FinishReason?
        (start + [UInt8](repeating: 0x20, count: UpstreamLimits.maxEventBytes + 1)).withUnsafeBytes { bytes in
            do throws(UpstreamFault) { _ = try decoder.receive(bytes, into: sink) } catch { caught = error }
        }
        do throws(UpstreamFault) { reason = try decoder.end(into: sink) } catch { caught = error }
        #expect(caught != nil && decoder.hasFinished && reason == .stop)
    }

    @Test func anAnswerWithMoreCallsThanTheLimitIsNotWhole() {
        let calls = (0...UpstreamLimits.maxToolCalls).map { "{\"id\":\"c\($0)\",\"function\":{\"name\":\"w\",\"arguments\":\"\"}}" }
        let body =
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[\(calls.joined(separator: ","))]},\"finish_reason\":\"tool_calls\"}]}\n\n"
        let reading = Self.read(ChatCompletionsDecoder.self, [Array(body.utf8)[...]])
        #expect(reading.outcome == "length")
        #expect(reading.calls.count { $0.hasPrefix("tool ") } == UpstreamLimits.maxToolCalls)
        #expect(reading.calls.count { $0.hasPrefix("arguments ") } == UpstreamLimits.maxToolCalls)
    }

    @Test func aCallBeyondTheLimitIsNotOneWithoutAName() {
        let last = UpstreamLimits.maxToolCalls
        let calls = (0...last).map { #"{"index":\#($0),"id":"c\#($0)","function":{"name":"w","arguments":""}}"# }
        let chunks = [calls.joined(separator: ","), #"{"index":\#(last),"function":{"arguments":"{}"}}"#]
        let body = chunks.map { "data: {\"choices\":[{\"delta\":{\"tool_calls\":[\($0)]}}]}\n\n" }.joined()
        let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
        let reading = Self.read(ChatCompletionsDecoder.self, [Array((body + end).utf8)[...]])
        #expect(reading.outcome == "length" && !reading.calls.contains { $0.hasPrefix("unnamed") })
    }

    @Test func aMalformedChunkIsNotQuoted() throws {
        let sink = RecordingSink()
        var decoder = ChatCompletionsDecoder()
        let body = Array("data: {\"choices\":[{\"delta\":{\"content\":secret words}}]}\n\n".utf8)
        var caught: UpstreamFault?
        body.withUnsafeBytes { bytes in
            do throws(UpstreamFault) { _ = try decoder.receive(bytes, into: sink) } catch { caught = error }
        }
        let told = caught?.generationError(upstream: "up:1", model: "m", key: nil)
        #expect(told?.code == "upstream_malformed" && told?.message.contains("secret") == false)
    }
}
