import API
import HTTP
import Network
import ResponsesWire
import SessionHosting
import Sessions

// Answers that several faces give.
extension Call {
    /// Answers with a list of items, encoded off the loop if it is large.
    func respond(_ list: ItemList, fields: [(name: String, value: String)] = []) {
        compute(ifLarge: list.isLarge) {
            list.json
        } then: {
            respond(json: $0, fields: fields)
        }
    }

    /// Answers 202 once an input stands in the log, or with the refusal.
    /// - Parameter clientEventID: the client's own identifier of the command.
    func respond(accepting outcome: SessionOutcome, clientEventID: String?) {
        do throws(SessionError) {
            let accepted = try outcome.accepted()
            respond(.accepted, fields: [("Interject-Session", accepted.sessionID)]) {
                accepted.write(clientEventID: clientEventID, to: &$0)
            }
        } catch {
            fail(APIError(error))
        }
    }

    /// Waits for an event after a position in a session's log.
    /// - Parameter then: called once, unless the client disconnects: the event has come, the time is over, or the session is gone.
    func wait(
        for awaited: EventWaiter.Awaited, of session: SessionReference, after position: LogPosition, _ timeout: Duration,
        then: @escaping () -> Void
    ) {
        let waiter = EventWaiter(loop: loop, for: awaited, timeout: timeout, then: then)
        exchange.onDisconnect = { waiter.cancel() }
        let fail = { (error: APIError) in
            waiter.cancel()
            self.fail(error)
        }
        perform(.follow(.after(position)), on: session, reader: waiter, listens: false, orElse: fail) {
            (outcome) throws(SessionError) in
            _ = try outcome.following()
        }
    }

    /// Seconds after which to ask again for what runs: what has taken long will take long, so after a fourth of its age, from one
    /// second to half a minute.
    static func pollSeconds(age: Int) -> Int { min(max(1, age / 4), 30) }
}

extension SessionCommand.ItemRange {
    /// The page of a list that a call asks for: `limit`, `order`, `after`.
    init(_ call: Call) throws(APIError) {
        let limit = try call.limit(default: 20, max: 100)
        let isAscending: Bool
        switch call.query["order"] ?? "desc" {
        case "asc": isAscending = true
        case "desc": isAscending = false
        default: throw .invalid("'order' must be 'asc' or 'desc'.", param: "order", code: "invalid_value")
        }
        self.init(limit: limit, isAscending: isAscending, after: call.query["after"])
    }
}

extension ResponseHeader {
    /// Fields of an answer that is about this response: its session, and the upstream that was asked.
    var fields: [(name: String, value: String)] {
        [("Interject-Session", sessionID)] + (upstream.map { [("Interject-Upstream", $0)] } ?? [])
    }
}
