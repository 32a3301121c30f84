import Bytes
import JSON
import Sessions

/// Joins the text of an answer that goes on with what was said of it before. Loop-confined.
///
/// Only such answers pass through it, and only their first words take more than a call: see ``ContinuationJoint``.
final class JoiningSink: AnswerSink {
    let target: GenerationSink
    private var joint: ContinuationJoint
    /// Pieces that were taken before the halves were joined and are more than white space, which ends no silence.
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
        // Decoders give valid contents of a string.
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

    /// Something else than text: what was retained stands before it.
    private func flush() { conclude(isWhole: true) }

    private func deliver(_ text: [UInt8]) {
        if text.isEmpty { return }
        var escaped = ByteBuffer(capacity: text.count + 16)
        text.withUnsafeBytes { escaped.appendJSONStringContents(utf8: $0) }
        target.textDelta(escaped: escaped.bytes)
    }

    // MARK: What is not text

    /// An item of its own, and nearly always before the text: it does not part the halves. Behind text that is retained, a word or what
    /// may repeat the first half, it overtakes that.
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
