import Bytes

/// Splits input into lines that end in CRLF. A line that is complete in the input is returned in place; only a line split across
/// reads is copied, into storage that is freed after use, so an idle connection holds none.
struct LineReader: ~Copyable {
    private var partial = ByteBuffer()
    private var partialIsComplete = false

    enum Failure: Error {
        case tooLong
        case bareLineFeed
    }

    /// Whether a line is incomplete.
    var holdsPartialLine: Bool { !partialIsComplete && partial.count > 0 }

    /// The next line without its CRLF, valid until the next call and as long as the input; nil if more input is needed. The result
    /// does not depend on how the input was split: the length is checked before the line end.
    mutating func next(
        _ input: inout UnsafeRawBufferPointer, maxBytes: Int
    ) throws(Failure) -> UnsafeRawBufferPointer? {
        if partialIsComplete { release() }
        guard let lineFeed = input.offset(of: .lineFeed) else {
            // One byte beyond the limit may still be the CR.
            if partial.count + input.count - 1 > maxBytes { throw .tooLong }
            partial.append(input)
            input = input.slice(input.count, input.count)
            return nil
        }
        if partial.count + lineFeed - 1 > maxBytes { throw .tooLong }
        var line = input.slice(0, lineFeed)
        if partial.count > 0 {
            partial.append(line)
            partialIsComplete = true
            line = partial.bytes
        }
        guard line.count > 0, line[line.count - 1] == .carriageReturn else { throw .bareLineFeed }
        input = input.slice(lineFeed + 1, input.count)
        return line.slice(0, line.count - 1)
    }

    /// Frees the storage.
    mutating func release() {
        partial.clear(keepingCapacity: 0)
        partialIsComplete = false
    }
}
