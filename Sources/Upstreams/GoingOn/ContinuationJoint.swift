/// Joins the second half of an answer to the first, without repetition and with the right white space in between. No I/O.
///
/// Buffers the undecided beginning of the second half: white space, a possible repetition of the first half, the first word. The
/// result does not depend on how the text is split into pieces.
struct ContinuationJoint {
    private enum State {
        /// White space at the beginning.
        case leading
        /// Comparing with the first half; the number of bytes that match so far.
        case repeating(Int)
        /// Between the halves.
        case joining
        case joined
    }

    /// Most white space that is buffered, in bytes. More is no accident of a tokenizer, and might never end.
    static let maxLeadingByteCount = 4096

    private let continuation: Continuation
    private var state = State.leading
    /// White space at the beginning of the second half.
    private var leading: [UInt8] = []
    /// The text after it.
    private var beginning: [UInt8] = []
    /// Whether the second half continues the first to the byte: by a prefill, or because it has repeated all of it.
    private var isExact: Bool
    private var mayRepeat: Bool

    init(_ continuation: Continuation) {
        self.continuation = continuation
        isExact = continuation.isPrefilled
        mayRepeat = continuation.isRecognisable
        if isExact, !mayRepeat, continuation.trailing.isEmpty { state = .joined }
    }

    /// Whether all further text is delivered as it arrives.
    var isJoined: Bool { if case .joined = state { true } else { false } }

    /// Takes a piece of the second half, and appends the text to deliver.
    /// - Parameter text: whole characters in UTF-8.
    mutating func take(_ text: [UInt8], into output: inout [UInt8]) {
        var rest = text[...]
        while !rest.isEmpty {
            switch state {
            case .leading:
                let count = min(Self.whiteSpaceCount(rest), Self.maxLeadingByteCount - leading.count)
                leading += rest.prefix(count)
                rest = rest.dropFirst(count)
                if leading.count == Self.maxLeadingByteCount {
                    join(into: &output)
                } else if !rest.isEmpty {
                    state = mayRepeat ? .repeating(0) : .joining
                }
            case .repeating(let count): rest = compare(rest, from: count)
            case .joining:
                beginning += rest
                rest = []
                joinIfDecided(into: &output)
            case .joined:
                output += rest
                rest = []
            }
        }
    }

    /// Ends the text: appends what was buffered.
    mutating func end(into output: inout [UInt8]) {
        if case .repeating(let count) = state { beginning = Array(continuation.said[..<count]) }
        if !isJoined { join(into: &output) }
    }

    /// Ends a failed answer: like ``end(into:)``, but drops an apparent repetition of the first half.
    mutating func breakOff(into output: inout [UInt8]) {
        if case .repeating = state { state = .joined } else { end(into: &output) }
    }

    private mutating func compare(_ text: ArraySlice<UInt8>, from count: Int) -> ArraySlice<UInt8> {
        let said = continuation.said
        let same = zip(text, said[count...]).prefix { $0 == $1 }.count
        if count + same == said.count {
            // All of it was repeated; the continuation follows.
            mayRepeat = false
            isExact = true
            leading = []
            state = continuation.trailing.isEmpty ? .joined : .leading
            return text.dropFirst(same)
        }
        if same == text.count {
            state = .repeating(count + same)
            return []
        }
        beginning = Array(said[..<count])
        state = .joining
        return text
    }

    private mutating func joinIfDecided(into output: inout [UInt8]) {
        if !isByWhiteSpace, continuation.edge.needsWhole(wordOf: String(decoding: beginning, as: UTF8.self)) { return }
        join(into: &output)
    }

    /// Whether white space of either half, or the model itself, decides how they are joined.
    private var isByWhiteSpace: Bool { isExact || !leading.isEmpty || !continuation.trailing.isEmpty }

    private mutating func join(into output: inout [UInt8]) {
        state = .joined
        if isByWhiteSpace {
            output += Self.whiteSpace(leading, after: continuation.trailing)
            output += beginning
        } else {
            switch continuation.edge.joint(with: String(decoding: beginning, as: UTF8.self)) {
            case .asItIs: output += beginning
            case .blank:
                output.append(0x20)
                output += beginning
            case .repeatedWord(let byteCount): output += beginning.dropFirst(byteCount)
            }
        }
        leading = []
        beginning = []
    }

    /// The missing white space. The model did not see the delivered trailing white space, so it may begin with the same, or with
    /// the space that begins most words.
    private static func whiteSpace(_ leading: [UInt8], after delivered: [UInt8]) -> [UInt8] {
        let missing = leading.dropFirst(zip(leading, delivered).prefix { $0 == $1 }.count)
        if missing == [0x20], !delivered.isEmpty, !leading.starts(with: delivered) { return [] }
        return Array(missing)
    }

    private static func whiteSpaceCount(_ text: ArraySlice<UInt8>) -> Int {
        // The first byte nearly always decides.
        if let first = text.first, first > 0x20, first < 0x80 { return 0 }
        return String(decoding: text, as: UTF8.self).unicodeScalars.prefix(while: \.properties.isWhitespace)
            .reduce(0) { $0 + UTF8.width($1) }
    }
}
