import Bytes

/// Something long on its way to a connection's output: to copy it there at once would hold the loop, and double its memory.
final class PiecewiseOutput {
    /// What is shorter is copied at once.
    static let leastByteCount = 512 << 10
    /// Congests the connection, whose end of that asks for the next piece.
    private static let pieceByteCount = Connection.congestionByteCount + 1

    private var unsent: ArraySlice<UInt8>
    /// What was written meanwhile.
    private var behind = ByteBuffer()
    /// Whether the response ends with it.
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
}
