package import Access
import Bytes
package import HTTP
import Hosting
package import JSON
package import Network
import Sessions

/// One HTTP call, with who makes it, on its way to a face.
package struct Call {
    package let exchange: HTTPExchange
    package let services: APIServices
    let arrival: Arrival
    /// What it is for.
    var match: RouteMatch { arrival.match }
    /// Who calls, and what it may do.
    package var caller: Caller
    /// Whom the caller's key stands for.
    package var owner: String { caller.owner }
    package let requestID: String
    /// The loop of the connection.
    package let loop: EventLoop
    /// The query. HEAD waits for nothing and follows nothing: it has the head of what is there now.
    package let query: QueryItems
    /// The client's name for the command, if it is the first that bears it.
    package var onceName: IdempotencyKeys.Name?
    /// The identifier that the response is to have then.
    package var onceResponseID: String?
    /// Whether it begins something: refused while the server drains, has no room, or can write nothing.
    var isNewWork = false
    /// The body as it was read off the loop, when it is a large one.
    var largeBody: LargeBody?

    package var request: RequestHead { exchange.request }
    /// Whether only the head of the answer is wanted, and nothing may come of the call.
    package var isHead: Bool { request.method == .head }

    /// Whether it changes nothing, and can be made again.
    var isRead: Bool { request.method == .get || isHead }

    /// Items of a query by which GET waits for something, or goes on.
    private static let lastingItems: Set<String> = ["wait"]

    package init(
        exchange: HTTPExchange, services: APIServices, arrival: Arrival, caller: Caller, requestID: String, loop: EventLoop
    ) {
        self.exchange = exchange
        self.services = services
        self.arrival = arrival
        self.caller = caller
        self.requestID = requestID
        self.loop = loop
        let query = exchange.request.target.queryItems
        self.query = exchange.request.method == .head ? query.removing(Self.lastingItems) : query
    }

    static let maxRetryAfterSeconds = 31_536_000.0

    /// Answers with JSON.
    package func respond(_ status: HTTPStatus = .ok, json: [UInt8], fields: [(name: String, value: String)] = []) {
        if let onceName {
            if status.code >= 400 {
                services.idempotency.release(onceName, responseID: onceResponseID)
            } else if onceResponseID == nil {
                let timer = failUnlessAnswered(within: CommitWait.deadline)
                let waiting = LoopBound((exchange: exchange, timer: timer), on: loop)
                keep(answerOf: onceName, status, json, fields: fields) {
                    waiting.run { waiting in
                        waiting.timer.cancel()
                        waiting.exchange.respond(status, contentType: "application/json", fields: fields, body: json)
                    }
                }
                return
            }
        }
        exchange.respond(status, contentType: "application/json", fields: fields, body: json)
    }

    /// Answers with a JSON object.
    package func respond(
        _ status: HTTPStatus = .ok, fields: [(name: String, value: String)] = [], _ body: (inout JSONObjectWriter) -> Void
    ) {
        var buffer = ByteBuffer()
        buffer.appendJSONObject(body)
        respond(status, json: buffer.array, fields: fields)
    }

    package func fail(_ error: APIError) {
        var fields = error.fields
        // SDKs take every 409 for a passing one and send the command again; ours stand until somebody acts.
        if error.status == .conflict, fields.allSatisfy({ $0.name != "x-should-retry" }) {
            fields.append(("x-should-retry", "false"))
        }
        if let asked = error.retryAfterSeconds {
            // Whatever number an upstream made up: a year is as good as never.
            let seconds = min(max(asked, 0), Self.maxRetryAfterSeconds)
            fields.append(("Retry-After", String(Int(saturating: seconds.rounded(.up)))))
            // SDKs go by this one first.
            fields.append(("retry-after-ms", String(Int(saturating: (seconds * 1000).rounded(.up)))))
        }
        respond(error.status, json: isRead ? error.ofRead.body : error.body, fields: fields)
    }

    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// A body's JSON. A byte order mark in front says nothing (RFC 8259 §8.1).
    package static func json(of body: [UInt8]) throws(JSONError) -> JSONValue {
        let text = body.starts(with: byteOrderMark) ? Array(body.dropFirst(byteOrderMark.count)) : body
        return try JSONValue.parse(text, limits: .received)
    }

    /// The body as a JSON object.
    package func jsonBody() throws(APIError) -> JSONObject {
        let value: JSONValue
        do throws(JSONError) {
            if let largeBody {
                value = try largeBody.json.get()
            } else {
                value = try Self.json(of: exchange.body)
            }
        } catch {
            if error.reason == .tooManyValues { throw .tooManyValues }
            throw .invalid("The body is not valid JSON: \(error)", code: "invalid_json")
        }
        guard let object = value.object else { throw .invalid("The body must be a JSON object.", code: "invalid_json") }
        return object
    }

    /// A query parameter that is a whole number of zero or more.
    package func count(_ name: String, default missing: Int, max: Int = .max) throws(APIError) -> Int {
        guard let text = query[name] else { return missing }
        guard let number = Int(text), number >= 0 else {
            throw .invalid("'\(name)' must be a whole number of 0 or more.", param: name)
        }
        return min(number, max)
    }
}
