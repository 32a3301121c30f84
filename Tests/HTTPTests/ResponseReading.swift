import HTTP

/// Reads responses from the parts; gives the events in the words of the vectors.
func readResponses(
    _ parts: [[UInt8]], limits: MessageLimits = MessageLimits(), answersHead: Bool = false, closes: Bool = false
) -> [String] {
    var parser = ResponseParser(limits: limits, answersHead: answersHead)
    var events: [String] = []
    var body: [UInt8] = []
    var failure: MessageError?
    for part in parts where failure == nil {
        part.withUnsafeBytes { part in
            var input = part
            do throws(MessageError) {
                while true {
                    switch try parser.next(&input) {
                    case .needsMoreBytes: return
                    case .head(let head):
                        body = []
                        events.append(
                            "\(head.status.code) \(describe(head.body)) " + (head.keepAlive ? "keep-alive" : "close"))
                    case .body(let part): appendJoined("body ", [UInt8](part), &events, &body)
                    case .end: events.append("end")
                    }
                    if case .some("101 none keep-alive") = events.dropLast().last { return }
                }
            } catch {
                failure = error
            }
        }
    }
    if closes, failure == nil {
        do throws(MessageError) {
            if try parser.finish() { events.append("end") }
        } catch {
            failure = error
        }
    }
    if let failure { events.append("error \(name(of: failure))") }
    return events
}
