internal import Bytes
import CZlib

/// Undoes the compression of one direction, RFC 7692 §7.2.2, as the bytes arrive. Made when the first compressed byte comes.
struct Inflater: ~Copyable {
    /// What the sender took off the end of each message and what must be put back, §7.2.2.
    private static let tail = UInt32(bigEndian: 0x0000_FFFF)
    /// zlib counts in 32 bits.
    private static let maxBytesAtOnce = 1 << 30

    private let agreement: DeflateAgreement.Incoming
    private let scratch: ReceiverScratch
    private var stream: UnsafeMutablePointer<czlib_stream>?
    /// Whether the last thing read was a block with BFINAL set, with nothing after it yet.
    private var isAfterFinalBlock = false
    /// Bytes of the message in progress as they came over the wire.
    private(set) var compressedByteCount = 0
    /// Compressed bytes that were taken in all. Wraps around.
    private(set) var takenByteCount: UInt32 = 0
    private var waste = InflationWaste()

    init(_ agreement: DeflateAgreement.Incoming, _ scratch: ReceiverScratch) {
        self.agreement = agreement
        self.scratch = scratch
    }

    deinit {
        if let stream { ReceiverScratch.end(stream) }
    }

    /// Memory held now, in bytes.
    var memoryByteCount: Int {
        stream.map { $0.pointee.allocated_byte_count + MemoryLayout<czlib_stream>.size } ?? 0
    }

    /// Appends what a piece of a message says. At most one byte more than `maxMessageBytes` is ever made of it, whatever its size.
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

    /// The message's last piece was handed in.
    mutating func endMessage(into message: inout ByteBuffer) throws(ProtocolViolation) {
        // §7.2.3.4 wants an empty block after one with BFINAL. Where it is missing the end is plain all the same.
        if !isAfterFinalBlock, !endsWithFlush() { try endBlock(into: &message) }
        isAfterFinalBlock = false
        compressedByteCount = 0
        waste.messageEnded()
        if !agreement.keepsContext { close() }
    }

    /// Whether the message ends as nearly all do: with a flush whose tail is all that is missing. It need not be put back then, which
    /// would cost a call: zlib is told that it stands between two blocks.
    private func endsWithFlush() -> Bool {
        guard let stream, inflateSyncPoint(&stream.pointee.z) != 0 else { return false }
        // zlib: 64 within a block with BFINAL set. A flush is none: such a message was cut off.
        guard stream.pointee.z.data_type & 64 == 0 else { return false }
        // Without a context everything is forgotten below.
        if agreement.keepsContext { inflateResetKeep(&stream.pointee.z) }
        return true
    }

    private mutating func endBlock(into message: inout ByteBuffer) throws(ProtocolViolation) {
        do throws(ProtocolViolation) {
            try withUnsafeBytes(of: Self.tail) { (tail) throws(ProtocolViolation) in
                // An end says nothing: where it does, the message was cut off, and what comes out is none of it.
                try run(tail, flush: Z_BLOCK, into: &message, maxMessageBytes: message.count)
            }
        } catch .messageTooBig {
            throw .corruptDeflate
        } catch {
            throw error
        }
        // zlib: 128 when the last byte ended a block, plus the number of bits that are left of it.
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
            // One byte beyond the limit shows that it is broken.
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
                // Room that was used up may hide more output.
                if stream.pointee.z.avail_out > 0, stream.pointee.z.avail_in == 0 || status == Z_BUF_ERROR { return }
            case Z_STREAM_END:
                // BFINAL: another stream starts, §7.2.3.4. The window stays, in case that its sender's did too.
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

    /// Forgets everything; the next message starts anew.
    mutating func close() {
        isAfterFinalBlock = false
        compressedByteCount = 0
        guard let stream else { return }
        self.stream = nil
        if agreement.keepsContext { ReceiverScratch.end(stream) } else { scratch.keep(stream) }
    }
}
