import Bytes
import HTTP

/// Decompresses the body of a response as it arrives, within its loop's budget per iteration. Loop-confined.
///
/// Not left to libcurl, which decodes only the first member of a gzip body (RFC 1952 §2.2 allows several), and decompresses all it
/// has read at once.
final class BodyUnpacker {
    /// Most decompressed bytes per compressed byte, after the first ``freeByteCount``. Streams of small JSON chunks compress to a
    /// fiftieth; DEFLATE's limit of a thousandth is reached only by attacks.
    static let maxRatio = 200
    static let freeByteCount = 4 << 20

    private let decoder: ContentDecoder
    private var takenByteCount = 0
    private var madeByteCount = 0
    private var output = ByteBuffer()

    init(_ coding: ContentCoding) { decoder = ContentDecoder(coding) }

    /// Whether consumed input has undelivered output.
    var holdsOutput: Bool { !output.isEmpty || decoder.holdsOutput }

    /// The next piece of decompressed output, valid until the next call; nil if there is none.
    func nextPiece(_ maxByteCount: Int) -> UnsafeRawBufferPointer? {
        output.isEmpty ? nil : UnsafeRawBufferPointer(rebasing: output.bytes.prefix(maxByteCount))
    }

    func consume(_ byteCount: Int) { output.consume(byteCount) }

    /// Decompresses some of the input.
    /// - Returns: whether the loop's budget for this iteration is used up.
    func step(_ packed: inout ByteBuffer, on loop: EventLoop) throws(HTTPTransferError) -> Bool {
        var rest = packed.bytes
        let before = rest.count
        var made = 0
        do throws(MessageError) {
            try decoder.step(&rest, maxBytes: loop.inflation.allowance(loop.now)) { bytes in
                made += bytes.count
                output.append(bytes)
            }
        } catch {
            throw .notHTTP("a body that is not packed as its Content-Encoding says")
        }
        let taken = before - rest.count
        packed.consume(taken)
        takenByteCount += taken
        madeByteCount += made
        if (madeByteCount - Self.freeByteCount) / Self.maxRatio > takenByteCount {
            throw .notHTTP("a body that unpacks to more than \(Self.maxRatio) times its size")
        }
        return loop.inflation.spend(compressed: taken, made: made, now: loop.now)
    }
}
