import Bytes
import JSON
import Sessions

/// Joins the text of a continued answer to its first half. Loop-confined.
///
/// Only continued answers pass through it, and only their first words cost more than a call: see ``ContinuationJoint``.
final class JoiningSink: AnswerSink {
    let target: GenerationSink
    private var joint: ContinuationJoint
    /// Number of pieces buffered before the halves were joined. White space does not count, since it must not end a silence.
    private var retainedCount = 0

    init(_ target: GenerationSink, _ continuation: Continuation) {
        self.target = target
        joint = ContinuationJoint(continuation)
    }

    var progressCount: Int { target.eventCount &+ retainedCount }

    func textDelta(escaped: UnsafeRawBufferPointer) {
        if joint.isJoined { target.textDelta(escaped: escaped) } else { join(escaped) }
    }

    private func join(_ escaped: UnsafeRawBufferPointer) {
        var quoted = ByteBuffer(capacity: escaped.count + 2)
        quoted.append(UInt8(ascii: "\""))
        quoted.append(escaped)
        quoted.append(UInt8(ascii: "\""))
        var output: [UInt8] = []
        // Decoders deliver valid string contents.
        let text = (try? JSONValue.parse(quoted.bytes, limits: .own))?.string ?? ""
        if !text.utf8.allSatisfy({ $0 <= 0x20 }) { retainedCount &+= 1 }
        joint.take(Array(text.utf8), into: &output)
        deliver(output)
    }

    func conclude(isWhole: Bool) {
        var output: [UInt8] = []
        if isWhole { joint.end(into: &output) } else { joint.breakOff(into: &output) }
        deliver(output)
    }

    /// Delivers buffered text before anything other than text.
    private func flush() { conclude(isWhole: true) }

    private func deliver(_ text: [UInt8]) {
        if text.isEmpty { return }
        var escaped = ByteBuffer(capacity: text.count + 16)
        text.withUnsafeBytes { escaped.appendJSONStringContents(utf8: $0) }
        target.textDelta(escaped: escaped.bytes)
    }

    // MARK: Other output

    /// Reasoning is an item of its own, nearly always before the text, and does not separate the halves. It overtakes text that is
    /// still buffered: a word, or a possible repetition of the first half.
    func reasoningDelta(escaped: UnsafeRawBufferPointer) { target.reasoningDelta(escaped: escaped) }
    func endReasoning() { target.endReasoning() }
    func provide(_ data: ProviderData, with part: GenerationSink.ProvidedPart) { target.provide(data, with: part) }
    func reportUsage(_ usage: Usage) { target.reportUsage(usage) }
    func noteFinish(word: String) { target.noteFinish(word: word) }
    func noteUnnamedToolCalls(_ count: Int) { target.noteUnnamedToolCalls(count) }

    func refusalDelta(escaped: UnsafeRawBufferPointer) {
        flush()
        target.refusalDelta(escaped: escaped)
    }

    func toolCall(index: Int, callID: String, name: String) {
        flush()
        target.toolCall(index: index, callID: callID, name: name)
    }

    func customToolCall(index: Int, callID: String, name: String) {
        flush()
        target.customToolCall(index: index, callID: callID, name: name)
    }

    func toolCallArguments(index: Int, escaped: UnsafeRawBufferPointer) {
        target.toolCallArguments(index: index, escaped: escaped)
    }
}
