import HTTP

struct LimitValues: Decodable {
    var maxStartLineBytes: Int?
    var maxHeaderFields: Int?
    var maxHeaderBytes: Int?
    var maxBodyBytes: Int?
    var maxChunkExtensionBytes: Int?
    var maxTrailerBytes: Int?

    static func limits(_ values: LimitValues?) -> MessageLimits {
        var limits = MessageLimits()
        if let value = values?.maxStartLineBytes { limits.maxStartLineBytes = value }
        if let value = values?.maxHeaderFields { limits.maxHeaderFields = value }
        if let value = values?.maxHeaderBytes { limits.maxHeaderBytes = value }
        if let value = values?.maxBodyBytes { limits.maxBodyBytes = value }
        if let value = values?.maxChunkExtensionBytes { limits.maxChunkExtensionBytes = value }
        if let value = values?.maxTrailerBytes { limits.maxTrailerBytes = value }
        return limits
    }
}

/// Reads requests from the parts; gives the events in the words of the vectors, and the heads.
func readRequests(_ parts: [[UInt8]], limits: MessageLimits = MessageLimits()) -> (
    events: [String], heads: [RequestHead]
) {
    var parser = RequestParser(limits: limits)
    var events: [String] = []
    var heads: [RequestHead] = []
    var body: [UInt8] = []
    for part in parts {
        var failure: MessageError?
        part.withUnsafeBytes { part in
            var input = part
            do throws(MessageError) {
                while true {
                    switch try parser.next(&input) {
                    case .needsMoreBytes: return
                    case .head(let head):
                        body = []
                        heads.append(head)
                        events.append(describe(head))
                    case .body(let part): appendJoined("body ", [UInt8](part), &events, &body)
                    case .end: events.append("end")
                    }
                }
            } catch {
                failure = error
            }
        }
        if let failure {
            events.append("error \(failure.answer.code) \(name(of: failure))")
            break
        }
    }
    return (events, heads)
}

func describe(_ head: RequestHead) -> String {
    "\(head.method) \(head.target) HTTP/1.\(head.minorVersion) \(describe(head.body)) "
        + (head.keepAlive ? "keep-alive" : "close") + (head.expectsContinue ? " expects-continue" : "")
}

func describe(_ framing: BodyFraming) -> String {
    if case .length(let byteCount) = framing { return "length \(byteCount)" }
    return "\(framing)"
}

/// The name of the case without its values.
func name(of error: MessageError) -> String {
    "\(error)".split(separator: "(").first.map(String.init) ?? ""
}
