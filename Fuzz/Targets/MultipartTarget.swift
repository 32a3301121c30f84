import Bytes
import HTTP

/// A form: the same however it is cut, and nothing after an error.
func fuzzMultipart(_ data: UnsafeRawBufferPointer) {
    let (options, bytes) = data.optionsAndInput
    var limits = MultipartParser.Limits()
    if options != 0 {
        limits.maxParts = 1 + Int(options & 3)
        limits.maxHeaderBytes = 20 + Int(options >> 2)
    }
    _ = sameHoweverCut(bytes) { readForm(bytes, $0, limits) }
}

private func readForm(_ bytes: UnsafeRawBufferPointer, _ ends: [Int], _ limits: MultipartParser.Limits) -> Trace {
    var trace = Trace()
    do throws(MultipartError) {
        var parser = try MultipartParser(contentType: "multipart/form-data; boundary=x", limits: limits)
        var failure: MultipartError?
        var start = 0
        for end in ends where failure == nil {
            failure = withCopy(bytes, start, end) { readPiece(&parser, UnsafeRawBufferPointer($0), &trace) }
            start = end
        }
        if let failure { throw failure }
        try parser.finish()
    } catch {
        trace.event("error", "\(error)")
    }
    return trace
}

private func readPiece(_ parser: inout MultipartParser, _ piece: UnsafeRawBufferPointer, _ trace: inout Trace) -> MultipartError? {
    var input = piece
    do throws(MultipartError) {
        while true {
            switch try parser.next(&input) {
            case .needsMoreBytes:
                check(input.isEmpty, "\(input.count) bytes of input were left unread")
                return nil
            case .part(let head): trace.event("part", "\(head.name) \(head.filename ?? "-") \(head.contentType ?? "-")")
            case .data(let data): trace.body(data)
            case .partEnd: trace.event("part end")
            case .end: trace.event("end")
            }
        }
    } catch {
        return error
    }
}
