internal import Bytes
import CZlib

/// Compresses the messages of one direction, RFC 7692 §7.2.1. Allocates zlib's state for the first message that is compressed.
struct Compressor: ~Copyable {
    /// Length of the flush marker that is removed from the end of a message, §7.2.1.
    static let tailByteCount = 4
    /// Output room given to zlib at once, in bytes. Must exceed the six that a flush needs, or it would flush again.
    private static let maxRoomByteCount = 64 << 10

    /// Longer messages are sent uncompressed: compressing them would delay the loop's other connections. Random words, nearly the
    /// worst case for text, take 41 ns per byte (level 6, 11 window bits): 5 ms for this size, 44 ms for a MiB.
    static let maxMessageByteCount = 128 << 10

    private let agreement: DeflateAgreement.Outgoing?
    private var stream: UnsafeMutablePointer<czlib_stream>?
    private var textGain = CompressionGain()
    private var binaryGain = CompressionGain()

    /// - Parameter agreement: nil if compression was not negotiated.
    init(_ agreement: DeflateAgreement.Outgoing?) { self.agreement = agreement }

    deinit {
        guard let stream else { return }
        deflateEnd(&stream.pointee.z)
        stream.deallocate()
    }

    /// Allocated memory, in bytes.
    var memoryByteCount: Int {
        stream.map { $0.pointee.allocated_byte_count + MemoryLayout<czlib_stream>.size } ?? 0
    }

    /// Whether to compress the next message. Decided before compressing any of it: output that has entered the window must be sent.
    /// - Parameter byteCount: size of the whole message; nil if it is not known yet.
    @inline(__always)
    mutating func takes(_ kind: MessageKind, byteCount: Int?) -> Bool {
        guard let agreement else { return false }
        return takes(kind, byteCount: byteCount, agreement)
    }

    private mutating func takes(_ kind: MessageKind, byteCount: Int?, _ agreement: DeflateAgreement.Outgoing) -> Bool {
        if let byteCount {
            if byteCount == 0 || byteCount < Int(agreement.minMessageBytes) { return false }
            if byteCount > Self.maxMessageByteCount { return false }
        }
        let pays = kind == .text ? textGain.paysNow() : binaryGain.paysNow()
        return pays && open(agreement)
    }

    /// Appends the compressed form of two consecutive pieces, flushed. The caller removes the last ``tailByteCount`` bytes.
    mutating func deflate(_ piece: UnsafeRawBufferPointer, _ suffix: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        let before = output.count
        if !suffix.isEmpty { run(piece, flush: Z_NO_FLUSH, into: &output) }
        run(suffix.isEmpty ? piece : suffix, flush: Z_SYNC_FLUSH, into: &output)
        if output.count == before {
            // zlib does not flush if there was no input since the last flush: write an empty block by hand, §7.2.3.6.
            output.append([0x00, 0x00, 0x00, 0xFF, 0xFF])
        }
    }

    /// A message ended.
    mutating func endMessage(_ kind: MessageKind, byteCount: Int, compressedByteCount: Int) {
        switch kind {
        case .text: textGain.record(byteCount: byteCount, compressedByteCount: compressedByteCount)
        case .binary: binaryGain.record(byteCount: byteCount, compressedByteCount: compressedByteCount)
        }
        if let agreement, !agreement.keepsContext { close() }
    }

    private mutating func run(_ input: UnsafeRawBufferPointer, flush: Int32, into output: inout ByteBuffer) {
        guard let stream else { return }
        var rest = input
        repeat {
            // zlib counts in 32 bits.
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
            stream.pointee.z.next_in = UnsafeMutablePointer(mutating: part.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.pointee.z.avail_in = UInt32(part.count)
            repeat {
                output.write(room: min(part.count + 64, Self.maxRoomByteCount)) { room in
                    let byteCount = min(room.count, Self.maxRoomByteCount)
                    stream.pointee.z.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    stream.pointee.z.avail_out = UInt32(byteCount)
                    // Its only possible error here, Z_BUF_ERROR, means that there was nothing to do.
                    CZlib.deflate(&stream.pointee.z, rest.isEmpty ? flush : Z_NO_FLUSH)
                    return byteCount - Int(stream.pointee.z.avail_out)
                }
            } while stream.pointee.z.avail_out == 0
        } while !rest.isEmpty
    }

    /// - Returns: false if out of memory: the message is sent uncompressed.
    private mutating func open(_ agreement: DeflateAgreement.Outgoing) -> Bool {
        if stream != nil { return true }
        let stream = UnsafeMutablePointer<czlib_stream>.allocate(capacity: 1)
        let status = czlib_deflate_init(
            stream, Int32(agreement.compressionLevel), Int32(agreement.windowBits), Int32(agreement.memoryLevel))
        guard status == Z_OK else {
            stream.deallocate()
            return false
        }
        self.stream = stream
        return true
    }

    /// Frees all memory.
    mutating func close() {
        guard let stream else { return }
        deflateEnd(&stream.pointee.z)
        stream.deallocate()
        self.stream = nil
    }
}
