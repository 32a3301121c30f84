internal import Bytes
import CZlib

/// Compresses the messages of one direction, RFC 7692 §7.2.1. Made when the first message is worth it.
struct Compressor: ~Copyable {
    /// What a flush ends with and a message leaves out, §7.2.1.
    static let tailByteCount = 4
    /// Room given to zlib at once, in bytes. More than the six that a flush needs, lest it flush again.
    private static let maxRoomByteCount = 64 << 10

    /// Longer messages go as they are: their compression would hold up all others of the loop. Random words, of the worst that
    /// text is, take 41 ns a byte (level 6, 11 window bits): 5 ms for this much, and 44 ms for a MiB.
    static let maxMessageByteCount = 128 << 10

    private let agreement: DeflateAgreement.Outgoing?
    private var stream: UnsafeMutablePointer<czlib_stream>?
    private var textGain = CompressionGain()
    private var binaryGain = CompressionGain()

    /// - Parameter agreement: nil when compression was not agreed on.
    init(_ agreement: DeflateAgreement.Outgoing?) { self.agreement = agreement }

    deinit {
        guard let stream else { return }
        deflateEnd(&stream.pointee.z)
        stream.deallocate()
    }

    /// Memory held now, in bytes.
    var memoryByteCount: Int {
        stream.map { $0.pointee.allocated_byte_count + MemoryLayout<czlib_stream>.size } ?? 0
    }

    /// Whether the next message is compressed. Decided before a byte of it is: what went into the window must be sent.
    /// - Parameter byteCount: of the whole message; nil when it is not known yet.
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

    /// Appends the compressed form of two pieces that belong together, flushed, ``tailByteCount`` bytes too long at its end.
    mutating func deflate(_ piece: UnsafeRawBufferPointer, _ suffix: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        let before = output.count
        if !suffix.isEmpty { run(piece, flush: Z_NO_FLUSH, into: &output) }
        run(suffix.isEmpty ? piece : suffix, flush: Z_SYNC_FLUSH, into: &output)
        if output.count == before {
            // zlib flushes nothing where nothing came since the last flush: an empty block by hand, §7.2.3.6.
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
                    // Its only error here, Z_BUF_ERROR, says that there was nothing to do.
                    CZlib.deflate(&stream.pointee.z, rest.isEmpty ? flush : Z_NO_FLUSH)
                    return byteCount - Int(stream.pointee.z.avail_out)
                }
            } while stream.pointee.z.avail_out == 0
        } while !rest.isEmpty
    }

    /// - Returns: false when there is no memory for it: the message goes as it is.
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

    /// Gives everything back.
    mutating func close() {
        guard let stream else { return }
        deflateEnd(&stream.pointee.z)
        stream.deallocate()
        self.stream = nil
    }
}
