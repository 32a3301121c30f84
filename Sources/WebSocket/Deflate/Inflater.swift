internal import Bytes
import CZlib

/// Decompresses the messages of one direction as they arrive, RFC 7692 §7.2.2. Allocates zlib's state at the first compressed byte.
struct Inflater: ~Copyable {
    /// The flush marker that the sender removed from the end of each message, §7.2.2.
    private static let tail = UInt32(bigEndian: 0x0000_FFFF)
    /// zlib counts in 32 bits.
    private static let maxBytesAtOnce = 1 << 30

    private let agreement: DeflateAgreement.Incoming
    private let scratch: ReceiverScratch
    private var stream: UnsafeMutablePointer<czlib_stream>?
    /// Whether a block with BFINAL was read last, with nothing after it yet.
    private var isAfterFinalBlock = false
    /// Compressed size of the message in progress, in bytes.
    private(set) var compressedByteCount = 0
    /// Compressed bytes consumed in total. Wraps around.
    private(set) var takenByteCount: UInt32 = 0
    private var waste = InflationWaste()

    init(_ agreement: DeflateAgreement.Incoming, _ scratch: ReceiverScratch) {
        self.agreement = agreement
        self.scratch = scratch
    }

    deinit {
        if let stream { ReceiverScratch.end(stream) }
    }

    /// Allocated memory, in bytes.
    var memoryByteCount: Int {
        stream.map { $0.pointee.allocated_byte_count + MemoryLayout<czlib_stream>.size } ?? 0
    }

    /// Decompresses a piece of a message. Produces at most one byte more than `maxMessageBytes`, however large the piece.
    mutating func inflate(
        _ piece: UnsafeRawBufferPointer, into message: inout ByteBuffer, maxMessageBytes: Int
    ) throws(ProtocolViolation) {
        compressedByteCount += piece.count
        takenByteCount &+= UInt32(truncatingIfNeeded: piece.count)
        let before = message.count
        var rest = piece
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.maxBytesAtOnce))
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
            try run(part, flush: Z_SYNC_FLUSH, into: &message, maxMessageBytes: maxMessageBytes)
        }
        guard waste.take(compressed: piece.count, made: message.count - before) else { throw .wastefulDeflate }
    }

    /// Call after the message's last piece.
    mutating func endMessage(into message: inout ByteBuffer) throws(ProtocolViolation) {
        // §7.2.3.4 requires an empty block after one with BFINAL. If it is missing, the end is unambiguous anyway.
        if !isAfterFinalBlock, !endsWithFlush() { try endBlock(into: &message) }
        isAfterFinalBlock = false
        compressedByteCount = 0
        waste.messageEnded()
        if !agreement.keepsContext { close() }
    }

    /// Whether the message ends, as nearly all do, with a flush of which only the marker is missing. Then zlib is told that it is
    /// between two blocks, which saves the call that appends the marker.
    private func endsWithFlush() -> Bool {
        guard let stream, inflateSyncPoint(&stream.pointee.z) != 0 else { return false }
        // zlib: 64 within a block with BFINAL set. A flush never has it: such a message was truncated.
        guard stream.pointee.z.data_type & 64 == 0 else { return false }
        // Without a context, the state is discarded below.
        if agreement.keepsContext { inflateResetKeep(&stream.pointee.z) }
        return true
    }

    private mutating func endBlock(into message: inout ByteBuffer) throws(ProtocolViolation) {
        do throws(ProtocolViolation) {
            try withUnsafeBytes(of: Self.tail) { (tail) throws(ProtocolViolation) in
                // The marker produces no output. If it does, the message was truncated, and the output is not part of it.
                try run(tail, flush: Z_BLOCK, into: &message, maxMessageBytes: message.count)
            }
        } catch .messageTooBig {
            throw .corruptDeflate
        } catch {
            throw error
        }
        // zlib: 128 if the last byte ended a block, plus the number of its unused bits.
        guard !isAfterFinalBlock, let stream, stream.pointee.z.data_type & 0xFF == 128 else { throw .corruptDeflate }
    }

    private mutating func run(
        _ input: UnsafeRawBufferPointer, flush: Int32, into message: inout ByteBuffer, maxMessageBytes: Int
    ) throws(ProtocolViolation) {
        let stream = try open()
        isAfterFinalBlock = false
        stream.pointee.z.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.z.avail_in = UInt32(input.count)
        while true {
            // One byte beyond the limit shows that it is exceeded.
            let limit = maxMessageBytes - message.count + 1
            var status = Z_OK
            message.write(room: min(limit, max(256, input.count * 2))) { room in
                let byteCount = min(room.count, limit, Self.maxBytesAtOnce)
                stream.pointee.z.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.pointee.z.avail_out = UInt32(byteCount)
                status = CZlib.inflate(&stream.pointee.z, flush)
                return byteCount - Int(stream.pointee.z.avail_out)
            }
            if message.count > maxMessageBytes { throw .messageTooBig(maxMessageBytes: maxMessageBytes) }
            switch status {
            case Z_OK, Z_BUF_ERROR:
                // If the room is used up, there may be more output.
                if stream.pointee.z.avail_out > 0, stream.pointee.z.avail_in == 0 || status == Z_BUF_ERROR { return }
            case Z_STREAM_END:
                // BFINAL: a new stream starts, §7.2.3.4. The window is retained in case the sender retained its own.
                inflateResetKeep(&stream.pointee.z)
                if stream.pointee.z.avail_in == 0 {
                    isAfterFinalBlock = true
                    return
                }
            case Z_MEM_ERROR: throw .noMemoryToInflate
            default: throw .corruptDeflate
            }
        }
    }

    private mutating func open() throws(ProtocolViolation) -> UnsafeMutablePointer<czlib_stream> {
        if let stream { return stream }
        let made =
            agreement.keepsContext
            ? ReceiverScratch.makeStream(windowBits: Int32(agreement.windowBits)) : scratch.takeStream()
        guard let made else { throw .noMemoryToInflate }
        stream = made
        return made
    }

    /// Frees the state; the next message starts anew.
    mutating func close() {
        isAfterFinalBlock = false
        compressedByteCount = 0
        guard let stream else { return }
        self.stream = nil
        if agreement.keepsContext { ReceiverScratch.end(stream) } else { scratch.keep(stream) }
    }
}
