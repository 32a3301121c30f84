import Bytes
import HTTP

/// A compressed request body, between the parser and the handler.
final class EncodedBody {
    let decoder: ContentDecoder
    /// Most decompressed bytes.
    let maxBytes: Int
    /// Compressed bytes that wait for the next iteration of the loop.
    var pending = ByteBuffer()
    var decodedByteCount = 0
    var isResting = false

    init(_ coding: ContentCoding, maxBytes: Int) {
        decoder = ContentDecoder(coding)
        self.maxBytes = maxBytes
    }

    /// Memory in use, in bytes: waiting input, and zlib's window and tables.
    var byteCount: Int { pending.count + ContentDecoder.stateByteCount }

    /// Whether some input is not decompressed yet; nothing after it is parsed until then.
    var isBehind: Bool { !pending.isEmpty || decoder.holdsOutput }
}

extension HTTPConnection {
    /// Decompresses a piece of the body within this iteration's budget; the rest waits for the next iteration.
    /// - Returns: false if the request was refused.
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
        // A paused one continues when the handler resumes it.
        if encoded.isResting || exchange?.isBodyPaused == true { return }
        encoded.isResting = true
        loop.schedule(after: .zero) { [self] in
            encoded.isResting = false
            goOnDecoding()
        }
    }

    /// Decompresses the waiting input, then continues reading.
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
