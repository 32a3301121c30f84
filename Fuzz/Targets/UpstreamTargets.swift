import Bytes
import HTTP
import JSON
import Sessions
import Upstreams

func fuzzChatCompletions(_ data: UnsafeRawBufferPointer) { fuzz(ChatCompletionsDecoder.self, data) }
func fuzzAnthropicMessages(_ data: UnsafeRawBufferPointer) { fuzz(AnthropicMessagesDecoder.self, data) }

/// Writes down what a decoder says, and checks what every sink may rely on.
private final class RecordingSink: ModelSink {
    var trace = Trace()

    private func delta(_ name: StaticString, _ escaped: UnsafeRawBufferPointer) {
        var quoted = ByteBuffer()
        quoted.append(UInt8(ascii: "\""))
        quoted.append(escaped)
        quoted.append(UInt8(ascii: "\""))
        check((try? JSONValue.parse(quoted.bytes))?.string != nil, "a delta that is no JSON string")
        check(!hasLoneSurrogate(escaped), "a delta with half a character")
        trace.event(name, escaped)
    }

    func textDelta(escaped: UnsafeRawBufferPointer) { delta("text", escaped) }
    func refusalDelta(escaped: UnsafeRawBufferPointer) { delta("refusal", escaped) }
    func reasoningDelta(escaped: UnsafeRawBufferPointer) { delta("reasoning", escaped) }
    func toolCall(index: Int, callID: String, name: String) {
        check((0..<UpstreamLimits.maxToolCalls).contains(index), "tool call \(index)")
        trace.event("tool", "\(index) \(callID) \(name)")
    }
    func toolCallArguments(index: Int, escaped: UnsafeRawBufferPointer) {
        check((0..<UpstreamLimits.maxToolCalls).contains(index), "arguments of tool call \(index)")
        delta("arguments", escaped)
    }
    func noteFinish(word: String) { trace.event("finish", word) }
    func noteUnnamedToolCalls(_ count: Int) { trace.event("unnamed", "\(count)") }
    func reportUsage(_ usage: Usage) { trace.event("usage", "\(usage)") }
}

/// Whether an escaped surrogate has no partner within the string.
private func hasLoneSurrogate(_ escaped: UnsafeRawBufferPointer) -> Bool {
    let text = String(decoding: escaped, as: UTF8.self)
    var isHigh = false
    var rest = text.utf8[...]
    while let first = rest.first {
        guard first == UInt8(ascii: "\\") else {
            if isHigh { return true }
            rest = rest.dropFirst()
            continue
        }
        let isUnit = rest.dropFirst().first == UInt8(ascii: "u")
        let unit = isUnit ? UInt16(String(decoding: rest.dropFirst(2).prefix(4), as: UTF8.self), radix: 16) ?? 0 : 0
        if unit & 0xFC00 == 0xDC00 {
            if !isHigh { return true }
            isHigh = false
        } else {
            if isHigh { return true }
            isHigh = unit & 0xFC00 == 0xD800
        }
        rest = rest.dropFirst(isUnit ? 6 : 2)
    }
    return isHigh
}

/// Options: odd for a whole body of JSON, even for a stream.
private func fuzz<Decoder: ResponseDecoder & ~Copyable>(_ type: Decoder.Type, _ data: UnsafeRawBufferPointer) {
    let (options, bytes) = data.optionsAndInput
    if options & 1 == 1 {
        withCopy(bytes, 0, bytes.count) { copy in
            var decoder = Decoder()
            _ = try? decoder.receiveWhole(UnsafeRawBufferPointer(copy), into: RecordingSink())
        }
        return
    }
    _ = sameHoweverCut(bytes) { ends in
        let sink = RecordingSink()
        var decoder = Decoder()
        var isDone = false
        eachPiece(bytes, ends) { piece in
            do throws(UpstreamFault) {
                guard let reason = try decoder.receive(UnsafeRawBufferPointer(piece), into: sink) else { return true }
                sink.trace.event("finished", "\(reason)")
            } catch {
                sink.trace.event("fault", "\(error)")
            }
            isDone = true
            return false
        }
        if isDone { return sink.trace }
        do throws(UpstreamFault) {
            sink.trace.event("finished", "\(try decoder.end(into: sink))")
        } catch {
            sink.trace.event("fault", "\(error)")
        }
        return sink.trace
    }
}

/// The body of a failed request, and its Retry-After: words that are bounded, a status that is one, a time that ends.
func fuzzUpstreamErrors(_ data: UnsafeRawBufferPointer) {
    let error = UpstreamErrorObject(body: Array(data))
    if let status = error.status { check((100..<600).contains(status), "status \(status)") }
    if let seconds = error.retryAfterSeconds { check((0...RetryAfter.maxSeconds).contains(seconds), "again in \(seconds) s") }
    let text = String(decoding: data.prefix(200), as: UTF8.self)
    for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-requests"] {
        var fields = HeaderFields()
        do throws(FieldError) {
            try fields.append(name, text)
            try fields.append("x-ratelimit-remaining-requests", "0")
        } catch {
            return
        }
        guard let seconds = RetryAfter.seconds(fields, status: 429, now: 1_800_000_000) else { continue }
        check((0...RetryAfter.maxSeconds).contains(seconds), "\(name): \(text) is \(seconds) s")
    }
}
