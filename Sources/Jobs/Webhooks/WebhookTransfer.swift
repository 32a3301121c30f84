import Bytes
import HTTP
import Network

/// One attempt in flight. Only the status counts; the receiver's body is read up to a limit and discarded.
final class WebhookTransfer: HTTPTransfer {
    struct Outcome {
        /// HTTP status code; nil without an answer.
        let status: Int?
        /// The reason of the failure in one word; nil for a success.
        let error: String?
        let verdict: WebhookLedger.Verdict
        /// Not counted as an attempt: the server is stopping, or no file descriptor was left.
        var wasAbandoned = false
    }

    static let connectTimeout = Duration.seconds(5)
    /// Standard Webhooks recommends 15 to 30 s.
    static let totalTimeout = Duration.seconds(15)
    static let maxBodyBytes = 64 << 10

    /// Start time, in seconds since 1970.
    private let unixTime: Int
    private var head: HTTPClientResponse?
    private var bodyByteCount = 0
    private var done: ((Outcome) -> Void)?

    init(_ request: HTTPClientRequest, unixTime: Int, done: @escaping (Outcome) -> Void) {
        self.unixTime = unixTime
        self.done = done
        super.init(request)
    }

    /// - Returns: nil if it cannot be signed.
    static func request(
        _ event: WebhookEvent, to endpoint: WebhookEndpoint, unixTime: Int, destinations: DestinationPolicy
    ) -> HTTPClientRequest? {
        let body = event.payload
        guard let signatures = endpoint.secrets.signatures(id: event.id, unixTime: unixTime, body: body) else { return nil }
        var fields = HeaderFields()
        let texts = [
            ("Content-Type", "application/json"), ("User-Agent", "Interject-Webhooks"), ("webhook-id", event.id),
            ("webhook-timestamp", String(unixTime)), ("webhook-signature", signatures),
        ]
        for (name, value) in texts { try? fields.append(name, value) }
        var request = HTTPClientRequest(method: "POST", url: endpoint.url, fields: fields, body: body)
        request.connectTimeout = connectTimeout
        request.silenceTimeout = totalTimeout
        request.totalTimeout = totalTimeout
        request.destinations = destinations
        return request
    }

    override func receivedHead(_ head: HTTPClientResponse) { self.head = head }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        bodyByteCount += bytes.count
        guard bodyByteCount > Self.maxBodyBytes, let head else { return }
        cancel()
        finish(Self.outcome(of: head, unixTime: unixTime))
    }

    override func ended(_ end: End) {
        switch end {
        case .finished: finish(outcome ?? Self.failure("no_answer"))
        case .failed(.loopStopped):
            finish(Outcome(status: nil, error: "server_stopping", verdict: .failed(retryAfter: nil), wasAbandoned: true))
        case .failed(.noDescriptors) where head == nil:
            finish(Outcome(status: nil, error: "no_descriptors", verdict: .failed(retryAfter: nil), wasAbandoned: true))
        // The receiver has answered; a truncated body makes no difference.
        case .failed(let error): finish(outcome ?? Self.failure(Self.word(error)))
        }
    }

    private var outcome: Outcome? { head.map { Self.outcome(of: $0, unixTime: unixTime) } }

    private func finish(_ outcome: Outcome) {
        let done = done
        self.done = nil
        done?(outcome)
    }

    static func failure(_ word: String) -> Outcome { Outcome(status: nil, error: word, verdict: .failed(retryAfter: nil)) }

    private static func outcome(of head: HTTPClientResponse, unixTime: Int) -> Outcome {
        switch head.status {
        case 200...299: return Outcome(status: head.status, error: nil, verdict: .delivered)
        case 410: return Outcome(status: 410, error: "gone", verdict: .gone)
        default:
            // Redirects are not followed: they would bypass the validation of the URL.
            let word =
                (300...399).contains(head.status)
                ? "redirect" : (400...599).contains(head.status) ? "status_\(head.status)" : "status_other"
            let retryAfter = head.fields["retry-after"].flatMap { retryDelay($0, unixTime: unixTime) }
            return Outcome(status: head.status, error: word, verdict: .failed(retryAfter: retryAfter))
        }
    }

    /// The delay of a `Retry-After` field, a number or a date, in seconds.
    static func retryDelay(_ text: String, unixTime: Int) -> Double? {
        if let seconds = Double(text) { return seconds.isFinite && seconds >= 0 ? seconds : nil }
        return HTTPDate.parse(text, now: unixTime).map { Double(max(0, $0.saturatingSubtracting(unixTime))) }
    }

    private static func word(_ error: HTTPTransferError) -> String {
        switch error {
        case .couldNotResolve: "name_not_found"
        case .couldNotConnect: "could_not_connect"
        case .destinationNotAllowed: "address_not_allowed"
        case .tls: "tls"
        case .connectTimedOut, .silence, .timedOut: "timeout"
        case .cut: "cut"
        case .notHTTP: "not_http"
        case .invalidRequest: "invalid_url"
        case .noDescriptors: "no_descriptors"
        case .loopStopped: "server_stopping"
        }
    }
}
