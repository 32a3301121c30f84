import HTTP
import Network

/// A request of a command to a server, whose response is received piece by piece. Loop-confined; the loop's client retains it until
/// its end.
///
/// Uses a connection of its own, which is not reused, and never retries: only the caller knows whether it may be repeated.
final class HTTPCall: HTTPTransfer {
    /// The request to send.
    struct Request: Sendable {
        var method = "GET"
        /// Path and query.
        var target: String
        var fields: [(name: String, value: String)] = []
        /// JSON.
        var body: [UInt8]?
    }

    /// Called on the loop, in this order; `ended` once, with nil after a complete response. No longer called when the loop ends.
    struct Handlers {
        var head: (HTTPClientResponse) -> Void = { _ in }
        var body: (UnsafeRawBufferPointer) -> Void = { _ in }
        var ended: (HTTPTransferError?) -> Void
    }

    private let handlers: Handlers
    private let bodySilence: Duration

    /// Starts a request.
    /// - Parameters:
    ///   - headTimeout: longest silence before the response's head.
    ///   - bodySilence: longest silence after it.
    @discardableResult
    static func start(
        _ request: Request, to server: ServerURL, headTimeout: Duration = .seconds(10), bodySilence: Duration = .seconds(10),
        on loop: EventLoop, _ handlers: Handlers
    ) throws(FieldError) -> HTTPCall {
        let call = HTTPCall(try server.request(request, timeout: headTimeout), bodySilence: bodySilence, handlers)
        loop.httpClient.start(call)
        return call
    }

    private init(_ request: HTTPClientRequest, bodySilence: Duration, _ handlers: Handlers) {
        self.handlers = handlers
        self.bodySilence = bodySilence
        super.init(request)
    }

    override func receivedHead(_ head: HTTPClientResponse) {
        limitSilence(to: bodySilence)
        handlers.head(head)
    }

    override func received(_ bytes: UnsafeRawBufferPointer) { handlers.body(bytes) }

    override func ended(_ end: End) {
        switch end {
        case .finished: handlers.ended(nil)
        case .failed(.loopStopped): break
        case .failed(let error): handlers.ended(error)
        }
    }

    /// Sends a request and returns the complete response. Thread-safe.
    /// - Parameter timeout: longest silence; the complete response may take twice as long.
    static func answer(
        to request: Request, from server: ServerURL, timeout: Duration = .seconds(10), on loop: EventLoop
    ) async -> Result<HTTPFetch.Response, HTTPTransferError> {
        do throws(FieldError) {
            var request = try server.request(request, timeout: timeout)
            request.totalTimeout = timeout * 2
            return await HTTPFetch.response(to: request, on: loop)
        } catch {
            return .failure(.invalidRequest("\(error)"))
        }
    }
}

extension ServerURL {
    fileprivate func request(_ call: HTTPCall.Request, timeout: Duration) throws(FieldError) -> HTTPClientRequest {
        var fields = HeaderFields()
        for field in call.fields { try fields.append(field.name, field.value) }
        if call.body != nil { try fields.append("Content-Type", "application/json") }
        var request = HTTPClientRequest(
            method: call.method, url: "\(secureName == nil ? "http" : "https")://\(host)\(call.target)", fields: fields,
            body: call.body ?? [])
        if case .unix(let path) = address { request.unixSocketPath = path }
        request.authorities = authorities
        request.connectTimeout = timeout
        request.silenceTimeout = timeout
        request.sharesConnections = false
        return request
    }
}
