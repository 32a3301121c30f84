import Bytes
import HTTP

/// Header fields that are lists, weights, dates and names: none of them ends the process, and what they say is within its bounds.
func fuzzFields(_ data: UnsafeRawBufferPointer) {
    let text = String(decoding: data, as: UTF8.self)
    for value in text.split(separator: "\n", omittingEmptySubsequences: true).prefix(2) {
        var fields = HeaderFields()
        for name in ["accept", "if-none-match", "content-encoding", "forwarded", "x-forwarded-for", "x-forwarded-proto", "date"] {
            do throws(FieldError) { try fields.append(name, String(value)) } catch { return }
        }
        check((0...1000).contains(fields.preference(for: "text/event-stream").quality), "a weight beyond 1")
        _ = fields.prefers("text/event-stream", over: "application/json")
        _ = fields.noneMatch(names: "\"a\"")
        _ = try? ContentCoding(fields)
        checkOrigin(String(value))
        _ = HTTPDate.parse(String(value), now: 1_800_000_000)
    }
}

/// An origin that is written down is read again as itself.
private func checkOrigin(_ text: String) {
    guard let origin = WebOrigin(text) else { return }
    check(WebOrigin(origin.description) == origin, "\(text) is \(origin), which is another")
}

/// A PROXY header: the same however it is cut, and not one byte more than it has.
func fuzzProxyHeader(_ data: UnsafeRawBufferPointer) {
    _ = sameHoweverCut(data) { ends in
        var trace = Trace()
        var parser = ProxyHeaderParser()
        var isDone = false
        eachPiece(data, ends) { piece in
            var input = UnsafeRawBufferPointer(piece)
            do throws(ProxyHeaderError) {
                guard let header = try parser.next(&input) else {
                    check(input.isEmpty, "bytes of a header were left unread")
                    return true
                }
                trace.event("header", "\(header)")
            } catch {
                trace.event("error", "\(error)")
            }
            isDone = true
            return false
        }
        if !isDone { trace.event("more") }
        return trace
    }
}

/// A packed body: the same however it is cut, in steps of a bound.
///
/// Options: odd for gzip, even for deflate.
func fuzzContentCoding(_ data: UnsafeRawBufferPointer) {
    let (options, bytes) = data.optionsAndInput
    _ = sameHoweverCut(bytes) { ends in
        var trace = Trace()
        let decoder = ContentDecoder(options & 1 == 1 ? .gzip : .deflate)
        var failure: MessageError?
        eachPiece(bytes, ends) { piece in
            var input = UnsafeRawBufferPointer(piece)
            do throws(MessageError) {
                repeat {
                    let before = input.count
                    var madeCount = 0
                    try decoder.step(&input, maxBytes: 512) { made in
                        trace.body(made)
                        madeCount += made.count
                    }
                    check(madeCount <= 2 * ContentDecoder.stepByteCount, "\(madeCount) bytes of one step")
                    check(input.count < before || decoder.holdsOutput || madeCount > 0 || before == 0, "a step that does nothing")
                } while !input.isEmpty || decoder.holdsOutput
            } catch {
                failure = error
            }
            return failure == nil
        }
        do throws(MessageError) {
            if let failure { throw failure }
            try decoder.finish()
        } catch {
            // Where zlib notices, and so whether before or behind the last bytes that it made, hangs on the pieces.
            return Trace()
        }
        return trace
    }
}
