import Bytes
import HTTP

/// Options: 0 for the limits of the server, else tight ones, so that the fuzzer reaches them.
private func limits(_ options: UInt8) -> MessageLimits {
    var limits = MessageLimits()
    guard options != 0 else { return limits }
    limits.maxStartLineBytes = 24 + Int(options & 15)
    limits.maxHeaderFields = 2 + Int(options & 3)
    limits.maxHeaderBytes = 40 + Int(options >> 2)
    limits.maxBodyBytes = Int(options & 31)
    limits.maxChunkExtensionBytes = Int(options & 7)
    limits.maxTrailerBytes = 4 + Int(options & 15)
    return limits
}

/// Requests: the same however they are cut; nothing after an error; every head is unambiguous, and says the same again
/// when it is written by our own writer.
func fuzzRequests(_ data: UnsafeRawBufferPointer) {
    let (options, bytes) = data.optionsAndInput
    let limits = limits(options)
    _ = sameHoweverCut(bytes) { readRequests(bytes, $0, limits) }
}

/// A chunked body alone: the input comes after a head that is always the same.
func fuzzChunked(_ data: UnsafeRawBufferPointer) {
    let (options, bytes) = data.optionsAndInput
    var limits = limits(options)
    limits.maxHeaderFields = 100
    limits.maxHeaderBytes = 1000
    limits.maxStartLineBytes = 100
    var message = ByteBuffer()
    message.append("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" as StaticString)
    message.append(bytes)
    _ = sameHoweverCut(bytes) { ends in
        let headByteCount = message.count - bytes.count
        return readRequests(message.bytes, [headByteCount] + ends.map { $0 + headByteCount }, limits)
    }
    checkChunksAreReadBack(bytes)
}

private func readRequests(_ bytes: UnsafeRawBufferPointer, _ ends: [Int], _ limits: MessageLimits) -> Trace {
    var trace = Trace()
    var parser = RequestParser(limits: limits)
    var bodyByteCount = 0
    var announced: Int?
    eachPiece(bytes, ends) { piece in
        var input = UnsafeRawBufferPointer(piece)
        do throws(MessageError) {
            while true {
                switch try parser.next(&input) {
                case .needsMoreBytes:
                    check(input.isEmpty, "\(input.count) bytes of input were left unread")
                    return true
                case .head(let head):
                    bodyByteCount = 0
                    announced = head.contentLength
                    checkHead(head)
                    trace.event(
                        "head",
                        "\(head.method) \(head.target) \(head.minorVersion) \(head.body) \(head.keepAlive) \(head.expectsContinue)")
                    for field in head.fields { trace.event("field", "\(field.name):\(field.value)") }
                case .body(let part):
                    bodyByteCount += part.count
                    check(bodyByteCount <= limits.maxBodyBytes, "a body beyond its limit")
                    trace.body(part)
                case .end:
                    if let announced { check(bodyByteCount == announced, "a body of another length than announced") }
                    trace.event("end")
                }
            }
        } catch {
            trace.event("error", "\(error)")
            checkStaysFailed(error, input) { (input) throws(MessageError) in try parser.next(&input) }
            return false
        }
    }
    return trace
}

/// After an error nothing but the same error comes.
private func checkStaysFailed<Event>(
    _ error: MessageError, _ rest: UnsafeRawBufferPointer,
    _ next: (inout UnsafeRawBufferPointer) throws(MessageError) -> Event
) {
    let request: StaticString = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for bytes in [rest, UnsafeRawBufferPointer(start: request.utf8Start, count: request.utf8CodeUnitCount)] {
        var input = bytes
        do throws(MessageError) {
            _ = try next(&input)
            check(false, "an event after \(error)")
        } catch let again {
            check(again == error, "\(again) after \(error)")
        }
    }
}

private func checkHead(_ head: RequestHead) {
    let fields = head.fields
    check(fields.count(of: "host") == 1 || head.minorVersion == 0 && !fields.contains("host"), "no host, or two")
    check(fields.count(of: "content-length") + fields.count(of: "transfer-encoding") <= 1, "two ways to find the end")
    if head.minorVersion == 0 { check(!fields.contains("transfer-encoding"), "a coding in HTTP/1.0") }
    for field in fields {
        check(!field.name.isEmpty, "an empty name")
        check(!field.value.utf8.contains { $0 == 13 || $0 == 10 || $0 == 0 }, "a control character in \(field.name)")
    }
    _ = (head.target.pathSegments, head.target.queryItems, head.authority)
    _ = (head.asksForUpgrade(to: "websocket"), fields.list("accept", contains: "text/event-stream"))
    checkWriterAgrees(head)
}

/// parse(write(head)) == head, where the writer can say it.
private func checkWriterAgrees(_ head: RequestHead) {
    guard head.minorVersion == 1, let host = fieldText(head.fields, "host") else { return }
    let own = ["host", "content-length", "transfer-encoding"]
    var output = ByteBuffer()
    var writer = RequestWriter()
    do throws(FieldError) {
        try writer.begin(head.method, target: head.target.raw, host: host, into: &output)
        for field in head.fields where !own.contains(field.name.lowercased()) {
            try writer.field(field.name, field.value, into: &output)
        }
    } catch {
        check(false, "what was read cannot be written: \(error)")
    }
    let length: BodyLength? =
        switch head.body {
        case .none: nil
        case .length(let byteCount): .bytes(byteCount)
        case .chunked, .untilClose: .unknown
        }
    writer.endHead(length, into: &output)
    var limits = MessageLimits()
    limits.maxHeaderFields = 200
    limits.maxHeaderBytes = 1 << 20
    limits.maxStartLineBytes = 1 << 20
    var parser = RequestParser(limits: limits)
    var input = output.bytes
    do throws(MessageError) {
        guard case .head(let again) = try parser.next(&input) else { return check(false, "a head that is none") }
        check(again.method == head.method && again.target == head.target && again.body == head.body, "another head")
        check(again.keepAlive == head.keepAlive && again.expectsContinue == head.expectsContinue, "another meaning")
        let names = { (fields: HeaderFields) in
            fields.filter { !own.contains($0.name.lowercased()) }.map { "\($0.name):\($0.value)" }
        }
        check(names(again.fields) == names(head.fields), "other fields")
    } catch {
        check(false, "what was written cannot be read: \(error)")
    }
}

private func fieldText(_ fields: HeaderFields, _ name: String) -> String? { fields[name] }

/// The input as data: cut into pieces, written as chunks, read back.
private func checkChunksAreReadBack(_ data: UnsafeRawBufferPointer) {
    var output = ByteBuffer()
    var writer = ResponseWriter(keepAlive: true)
    writer.begin(.ok, date: nil, into: &output)
    writer.endHead(.unknown, into: &output)
    var position = 0
    while position < data.count {
        let end = min(data.count, position + 1 + Int(data[position]) * (position % 3 == 0 ? 1 : 40))
        let piece = UnsafeRawBufferPointer(rebasing: data[position..<end])
        if position % 2 == 0 {
            writer.write(piece, into: &output)
        } else {
            let start = writer.beginPiece(into: &output)
            output.append(piece)
            writer.endPiece(start, into: &output)
        }
        position = end
    }
    writer.end(into: &output)
    var parser = ResponseParser()
    var input = output.bytes
    var body: [UInt8] = []
    do throws(MessageError) {
        while true {
            switch try parser.next(&input) {
            case .needsMoreBytes: return check(false, "a written body has no end")
            case .head: continue
            case .body(let part): body += part
            case .end: return check(input.isEmpty && body.elementsEqual(data), "a chunked body that is read differently")
            }
        }
    } catch {
        check(false, "a written body cannot be read: \(error)")
    }
}

/// Responses; options as for requests, but for the highest two bits: the request was HEAD, the connection closes.
func fuzzResponses(_ data: UnsafeRawBufferPointer) {
    let (options, bytes) = data.optionsAndInput
    let limits = limits(options & 0x3F)
    let answersHead = options & 0x80 != 0
    let closes = options & 0x40 != 0
    _ = sameHoweverCut(bytes) { ends in
        var trace = Trace()
        var parser = ResponseParser(limits: limits, answersHead: answersHead)
        var isDone = false
        eachPiece(bytes, ends) { piece in
            var input = UnsafeRawBufferPointer(piece)
            do throws(MessageError) {
                while true {
                    switch try parser.next(&input) {
                    case .needsMoreBytes: return true
                    case .head(let head):
                        trace.event("head", "\(head.status.code) \(head.minorVersion) \(head.body) \(head.keepAlive)")
                        for field in head.fields { trace.event("field", "\(field.name):\(field.value)") }
                        // The rest belongs to another protocol.
                        if head.status == .switchingProtocols { isDone = true }
                    case .body(let part): trace.body(part)
                    case .end: trace.event("end")
                    }
                    if isDone { return false }
                }
            } catch {
                isDone = true
                trace.event("error", "\(error)")
                checkStaysFailed(error, input) { (input) throws(MessageError) in try parser.next(&input) }
                return false
            }
        }
        if closes, !isDone {
            do throws(MessageError) {
                if try parser.finish() { trace.event("end") }
            } catch {
                trace.event("error", "\(error)")
            }
        }
        return trace
    }
}
