import Bytes
import HTTP

/// Options: 0 for the usual limit, else that many bytes an event.
func fuzzServerSentEvents(_ data: UnsafeRawBufferPointer) {
    let (options, bytes) = data.optionsAndInput
    _ = sameHoweverCut(bytes) { readEvents(bytes, $0, maxEventBytes: options == 0 ? 1 << 20 : Int(options)) }
    checkEventsAreReadBack(bytes)
}

private func readEvents(_ bytes: UnsafeRawBufferPointer, _ ends: [Int], maxEventBytes: Int) -> Trace {
    var trace = Trace()
    var parser = ServerSentEventParser(maxEventBytes: maxEventBytes)
    eachPiece(bytes, ends) { piece in
        var input = UnsafeRawBufferPointer(piece)
        do throws(ServerSentEventError) {
            while let event = try parser.next(&input) {
                check(event.data.count <= maxEventBytes, "an event beyond its limit")
                trace.event("type", event.type)
                trace.event("data", event.data)
                trace.event("id", parser.lastEventID)
            }
            check(input.isEmpty, "input was left unread")
            return true
        } catch {
            trace.event("error", "\(error)")
            do throws(ServerSentEventError) {
                _ = try parser.next(&input)
                check(input.isEmpty, "an event after \(error)")
            } catch let again {
                check(again == error, "\(again) after \(error)")
            }
            return false
        }
    }
    trace.event("id", parser.lastEventID)
    trace.event("retry", "\(parser.retryMilliseconds ?? -1)")
    return trace
}

/// The input as data of an event: its lines come back, whatever they are.
private func checkEventsAreReadBack(_ data: UnsafeRawBufferPointer) {
    let types: [StaticString] = ["", "message", "error", "response.output_text.delta"]
    let type = types[Int(data.first ?? 0) % types.count]
    let id = data.suffix(8).reduce(0) { $0 << 7 | Int($1 & 127) }
    var output = ByteBuffer()
    ServerSentEventWriter.append(data, id: id, epoch: data.count & 3, type: type, into: &output)
    ServerSentEventWriter.appendComment(data, into: &output)
    ServerSentEventWriter.appendHeartbeat(into: &output)
    ServerSentEventWriter.appendDone(into: &output)
    var lines: [UInt8] = []
    var follows = false
    for octet in data {
        if octet == 13 { lines.append(10) } else if octet != 10 || !follows { lines.append(octet) }
        follows = octet == 13
    }
    var parser = ServerSentEventParser()
    var input = output.bytes
    do throws(ServerSentEventError) {
        guard let event = try parser.next(&input) else { return check(false, "a written event is none") }
        check(event.data.elementsEqual(lines), "other data")
        check(event.typeText == (type.utf8CodeUnitCount == 0 ? "message" : "\(type)"), "another type")
        let epoch = data.count & 3 == 0 ? "" : "\(data.count & 3):"
        check(parser.lastEventID.elementsEqual("\(epoch)\(id)".utf8), "another id")
        guard let done = try parser.next(&input) else { return check(false, "the end is missing") }
        check(done.isDone, "a comment became an event")
    } catch {
        check(false, "a written event cannot be read: \(error)")
    }
}
