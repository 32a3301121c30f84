import Bytes
import HTTP

/// Unpacks the body of a response as it comes, as much at a time as its loop may spend on that. Loop-confined.
///
/// libcurl could, but takes only the first member of a gzip body (RFC 1952 §2.2 has them be one), and unpacks whatever it has read
/// in one go.
final class BodyUnpacker {
    /// A body may have this many bytes for each that came, beyond the first ``freeByteCount``. A stream of small JSON chunks packs to
    /// a fiftieth; DEFLATE ends at a thousandth, and what goes there is made to cost us.
    static let maxRatio = 200
    static let freeByteCount = 4 << 20

    private let decoder: ContentDecoder
    private var takenByteCount = 0
    private var madeByteCount = 0
    private var output = ByteBuffer()

    init(_ coding: ContentCoding) { decoder = ContentDecoder(coding) }

    /// Whether something that was taken waits for delivery.
    var holdsOutput: Bool { !output.isEmpty || decoder.holdsOutput }

    /// What is unpacked and waits, its beginning; valid until the next call. Nil: nothing is.
    func nextPiece(_ maxByteCount: Int) -> UnsafeRawBufferPointer? {
        output.isEmpty ? nil : UnsafeRawBufferPointer(rebasing: output.bytes.prefix(maxByteCount))
    }

    func consume(_ byteCount: Int) { output.consume(byteCount) }

    /// Unpacks some of it.
    /// - Returns: whether the loop has done what it may in this iteration.
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
