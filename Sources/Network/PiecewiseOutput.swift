import Bytes

/// Long output that is copied to a connection in pieces: copying it at once would block the loop and double its memory.
final class PiecewiseOutput {
    /// An answer, an event or a message of so many bytes leaves in pieces; a shorter one is copied at once.
    static let leastByteCount = 64 << 10
    /// Just enough to congest the connection, so that draining requests the next piece.
    static let pieceByteCount = Connection.congestionByteCount + 1

    private var unsent: ArraySlice<UInt8>
    /// Data written meanwhile.
    private var behind = ByteBuffer()
    /// Whether the response ends after it.
    var endsBehind = false

    init(_ bytes: [UInt8]) { unsent = bytes[...] }

    var heldByteCount: Int { unsent.count + behind.count }
    var isDone: Bool { unsent.isEmpty }

    var hasMoreBehind: Bool { !behind.isEmpty }

    func next() -> ArraySlice<UInt8> {
        let piece = unsent.prefix(Self.pieceByteCount)
        unsent = unsent.dropFirst(piece.count)
        return piece
    }

    func append(_ body: (inout ByteBuffer) -> Void) { if !endsBehind { body(&behind) } }

    func moveBehind(to output: inout ByteBuffer) { output.append(behind.bytes) }

    /// The data written meanwhile as output of its own, if it is long.
    func takeLongBehind() -> PiecewiseOutput? {
        guard behind.count >= Self.leastByteCount else { return nil }
        let next = PiecewiseOutput(behind.array)
        next.endsBehind = endsBehind
        behind = ByteBuffer()
        return next
    }
}
