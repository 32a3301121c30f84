import HTTP

struct StreamOutcome: Equatable {
    var events: [[String]] = []
    var lastEventID = ""
    var retry: Int?
    var error: String?
}

func readStream(_ parts: [[UInt8]], maxEventBytes: Int? = nil) -> StreamOutcome {
    var parser = ServerSentEventParser(maxEventBytes: maxEventBytes ?? 1 << 20)
    var outcome = StreamOutcome()
    for part in parts where outcome.error == nil {
        part.withUnsafeBytes { part in
            var input = part
            do throws(ServerSentEventError) {
                while let event = try parser.next(&input) {
                    outcome.events.append([event.typeText, event.dataText])
                }
            } catch {
                outcome.error = "eventTooLarge"
            }
        }
    }
    outcome.lastEventID = String(decoding: parser.lastEventID, as: UTF8.self)
    outcome.retry = parser.retryMilliseconds
    return outcome
}
