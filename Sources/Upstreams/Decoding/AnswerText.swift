import Bytes
import JSON
import Sessions

/// Delivers an answer's text to the sink: whole characters only, and no repetition. Allocates nothing for an ordinary piece.
struct AnswerText: ~Copyable {
    enum Kind: Equatable {
        case text, reasoning, refusal
        /// Arguments of the tool call with this index.
        case arguments(Int)
    }

    /// The text of one kind so far.
    private struct Said {
        var digest = TextDigest()
        var pieceCount = 0
        /// Whether any of it came in deltas rather than in whole messages.
        var cameInDeltas = false

        mutating func add(_ escaped: UnsafeRawBufferPointer) {
            digest.add(escaped)
            pieceCount += 1
        }
    }

    /// Shortest text recognised as a repetition if it came in several pieces, in bytes.
    static let minRepeatedByteCount = 4
    /// Shortest text recognised as a repetition if it came in one piece, in bytes.
    static let minRepeatedPieceByteCount = 64

    private(set) var hasDelivered = false
    private var text = Said()
    private var reasoning = Said()
    private var refusal = Said()
    private var joiner = JSONStringJoiner()
    /// The kind to which the joiner's incomplete character belongs.
    private var pendingKind = Kind.text
    private var scratch = ByteBuffer()

    init() {}

    func hasSaid(_ kind: Kind) -> Bool { said(kind).pieceCount > 0 }

    /// Writes a piece of text.
    /// - Parameter isLast: whether the chunk has the finish reason; a repetition of the whole text is then a summary.
    mutating func write<Sink: ModelSink>(_ piece: RawString, as kind: Kind, isLast: Bool = false, into sink: Sink) {
        if piece.isEmpty { return }
        if isLast, let end = repetition(piece.bytes, of: said(kind)) {
            deliver(piece.bytes.dropping(end), as: kind, into: sink)
        } else if joiner.passes(piece) {
            deliver(piece.bytes, as: kind, into: sink)
        } else {
            join(piece.bytes, as: kind, into: sink)
        }
        markDeltas(kind)
    }

    /// Writes a piece that is not a view of a single string.
    /// - Parameter escaped: valid contents of a JSON string.
    mutating func write<Sink: ModelSink>(escaped: UnsafeRawBufferPointer, as kind: Kind, into sink: Sink) {
        if !escaped.isEmpty { join(escaped, as: kind, into: sink) }
    }

    /// Writes the text of a whole `message`. After deltas it is a summary, and only what exceeds them is new.
    mutating func writeWhole<Sink: ModelSink>(_ message: RawString, as kind: Kind, isLast: Bool, into sink: Sink) {
        let said = said(kind)
        if message.isEmpty { return }
        let end = said.pieceCount > 0 ? said.digest.end(in: message.bytes) : nil
        if said.cameInDeltas {
            guard let end else { return }
            join(message.bytes.dropping(end), as: kind, into: sink)
        } else if let end, isLast || end < message.byteCount {
            // Messages that each repeat the whole text so far.
            join(message.bytes.dropping(end), as: kind, into: sink)
        } else {
            join(message.bytes, as: kind, into: sink)
        }
    }

    /// Records that a tool call was delivered: the request must not be repeated.
    mutating func deliveredCall() { hasDelivered = true }

    /// Ends the text: delivers an incomplete character.
    mutating func flush<Sink: ModelSink>(into sink: Sink) {
        guard joiner.isPending else { return }
        scratch.clear()
        joiner.flush(to: &scratch)
        deliver(scratch.bytes, as: pendingKind, into: sink)
    }

    /// The offset after the repetition if the piece begins with the whole text so far and that is too long for a coincidence.
    private func repetition(_ piece: UnsafeRawBufferPointer, of said: Said) -> Int? {
        let byteCount = said.digest.byteCount
        let isLong = byteCount >= Self.minRepeatedPieceByteCount
        guard isLong || said.pieceCount > 1 && byteCount >= Self.minRepeatedByteCount, piece.count >= byteCount,
            let end = said.digest.end(in: piece), isLong || end == piece.count
        else { return nil }
        return end
    }

    private mutating func join<Sink: ModelSink>(_ escaped: UnsafeRawBufferPointer, as kind: Kind, into sink: Sink) {
        if kind != pendingKind { flush(into: sink) }
        pendingKind = kind
        scratch.clear()
        joiner.append(escaped, to: &scratch)
        deliver(scratch.bytes, as: kind, into: sink)
    }

    private mutating func deliver<Sink: ModelSink>(_ escaped: UnsafeRawBufferPointer, as kind: Kind, into sink: Sink) {
        if escaped.isEmpty { return }
        hasDelivered = true
        switch kind {
        case .text:
            text.add(escaped)
            sink.textDelta(escaped: escaped)
        case .reasoning:
            reasoning.add(escaped)
            sink.reasoningDelta(escaped: escaped)
        case .refusal:
            refusal.add(escaped)
            sink.refusalDelta(escaped: escaped)
        case .arguments(let index): sink.toolCallArguments(index: index, escaped: escaped)
        }
    }

    private func said(_ kind: Kind) -> Said {
        switch kind {
        case .text: text
        case .reasoning: reasoning
        case .refusal: refusal
        case .arguments: Said()
        }
    }

    private mutating func markDeltas(_ kind: Kind) {
        switch kind {
        case .text: text.cameInDeltas = true
        case .reasoning: reasoning.cameInDeltas = true
        case .refusal: refusal.cameInDeltas = true
        case .arguments: break
        }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func dropping(_ count: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: dropFirst(count)) }
}
