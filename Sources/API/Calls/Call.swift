package import Access
import Bytes
package import HTTP
import Hosting
package import JSON
package import Network
import Sessions

/// One HTTP call with its caller, on its way to a face.
package struct Call {
    /// The request, and the response to it.
    package let exchange: HTTPExchange
    /// The server's services.
    package let services: APIServices
    let arrival: Arrival
    /// The route that it matched.
    var match: RouteMatch { arrival.match }
    /// The authenticated caller.
    package var caller: Caller
    /// The owner of the caller's objects.
    package var owner: String { caller.owner }
    /// The `x-request-id` of the response.
    package let requestID: String
    /// The loop of the connection.
    package let loop: EventLoop
    /// The query. HEAD ignores `wait`: it responds with the header of what is there now.
    package let query: QueryItems
    /// The idempotency key, if this is the first call with it.
    package var onceName: IdempotencyKeys.Name?
    /// The identifier reserved for the response that such a call begins.
    package var onceResponseID: String?
    /// Whether the call begins work: refused while the server drains, is out of memory, or cannot write.
    var isNewWork = false
    /// The body parsed off the loop, if it is large.
    var largeBody: LargeBody?

    /// The request.
    package var request: RequestHead { exchange.request }
    /// Whether only the header of the response is wanted, without any effect.
    package var isHead: Bool { request.method == .head }

    /// Whether the call changes nothing and can be repeated.
    var isRead: Bool { request.method == .get || isHead }

    /// Query items that make GET wait or follow.
    private static let lastingItems: Set<String> = ["wait"]

    /// - Parameters:
    ///   - arrival: the matched route and the verified credential.
    ///   - loop: the loop of the connection.
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

    /// Responds with JSON.
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

    /// Responds with a JSON object.
    package func respond(
        _ status: HTTPStatus = .ok, fields: [(name: String, value: String)] = [], _ body: (inout JSONObjectWriter) -> Void
    ) {
        var buffer = ByteBuffer()
        buffer.appendJSONObject(body)
        respond(status, json: buffer.array, fields: fields)
    }

    /// Responds with an error.
    package func fail(_ error: APIError) {
        var fields = error.fields
        // SDKs retry every 409 as transient; ours persist until a client acts.
        if error.status == .conflict, fields.allSatisfy({ $0.name != "x-should-retry" }) {
            fields.append(("x-should-retry", "false"))
        }
        if let asked = error.retryAfterSeconds {
            // An upstream may send any number: a year is as good as never.
            let seconds = min(max(asked, 0), Self.maxRetryAfterSeconds)
            fields.append(("Retry-After", String(Int(saturating: seconds.rounded(.up)))))
            // SDKs prefer this field.
            fields.append(("retry-after-ms", String(Int(saturating: (seconds * 1000).rounded(.up)))))
        }
        respond(error.status, json: isRead ? error.ofRead.body : error.body, fields: fields)
    }

    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// Parses a JSON body. A leading byte order mark is ignored (RFC 8259 §8.1).
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

    /// A query parameter that is a non-negative integer.
    package func count(_ name: String, default missing: Int, max: Int = .max) throws(APIError) -> Int {
        guard let text = query[name] else { return missing }
        guard let number = Int(text), number >= 0 else {
            throw .invalid("'\(name)' must be a whole number of 0 or more.", param: name)
        }
        return min(number, max)
    }
}
