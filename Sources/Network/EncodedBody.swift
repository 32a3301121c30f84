import Bytes
import HTTP

/// A request's body that comes packed, between the parser and whoever wants it.
final class EncodedBody {
    let decoder: ContentDecoder
    /// Bytes that the body may have when it is unpacked.
    let maxBytes: Int
    /// Encoded bytes that wait for the next iteration of the loop.
    var pending = ByteBuffer()
    var decodedByteCount = 0
    var isResting = false

    init(_ coding: ContentCoding, maxBytes: Int) {
        decoder = ContentDecoder(coding)
        self.maxBytes = maxBytes
    }

    /// Memory that this takes: bytes that wait, and zlib's window and tables.
    var byteCount: Int { pending.count + ContentDecoder.stateByteCount }

    /// Whether something that has come is not unpacked yet: nothing behind it is looked at till then.
    var isBehind: Bool { !pending.isEmpty || decoder.holdsOutput }
}

extension HTTPConnection {
    /// Unpacks a piece of the body as far as this iteration of the loop may; the rest waits for the next one.
    /// - Returns: false when the request was refused.
    func decode(_ part: UnsafeRawBufferPointer, of encoded: EncodedBody) throws(MessageError) -> Bool {
        var rest = part
        while isOpen, rest.count > 0 || encoded.decoder.holdsOutput, exchange?.isBodyPaused != true {
            let before = rest.count
            var made = 0
            var isTaken = true
            try encoded.decoder.step(&rest, maxBytes: loop.inflation.allowance(loop.now)) { decoded in
                made += decoded.count
                if isTaken, encoded.decodedByteCount + made <= encoded.maxBytes { isTaken = takeBody(decoded) }
            }
            encoded.decodedByteCount += made
            guard isTaken else { return false }
            guard encoded.decodedByteCount <= encoded.maxBytes else { throw .bodyTooLarge(limitBytes: encoded.maxBytes) }
            if loop.inflation.spend(compressed: before - rest.count, made: made, now: loop.now) { break }
        }
        guard isOpen else { return true }
        encoded.pending.append(rest)
        if encoded.isBehind { wait(for: encoded) }
        return true
    }

    private func wait(for encoded: EncodedBody) {
        pauseReading()
        if phase != .body {
            phase = .body
            phaseEnds = loop.now + server.deadlines.body
            watchDeadline()
        }
        // One that is paused goes on when it is wanted again.
        if encoded.isResting || exchange?.isBodyPaused == true { return }
        encoded.isResting = true
        loop.schedule(after: .zero) { [self] in
            encoded.isResting = false
            goOnDecoding()
        }
    }

    /// Unpacks what waits, then reads on.
    func goOnDecoding() {
        guard isOpen, let encoded = encodedBody, encoded.isBehind, exchange?.isBodyPaused != true else { return }
        var pending = ByteBuffer()
        swap(&pending, &encoded.pending)
        isParsing = true
        var isTaken = false
        do throws(MessageError) {
            isTaken = try decode(pending.bytes, of: encoded)
        } catch {
            refuse(error, rest: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        isParsing = false
        if isTaken, isOpen, takesInput { goOn() }
    }
}
