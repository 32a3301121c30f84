import Access
package import HTTP
import Hosting
import Logging
package import Network
import SessionHosting
import Sessions

/// Dispatches each request to the handler of its route: checks access, and responds to errors.
package final class Router: HTTPRequestHandler {
    /// The server's services.
    package let services: APIServices

    /// A router to the routes in `services`.
    package init(services: APIServices) { self.services = services }

    package func handle(_ exchange: HTTPExchange) {
        guard let loop = exchange.loop else { return }
        let requestID = Identifier.make("req_")
        exchange.commonFields = [("x-request-id", requestID)] + services.crossOrigin.fields(for: exchange.request)
        let arrival =
            exchange.credential as? Arrival
            ?? Arrival(services.routes.match(exchange.request.method, exchange.request.target.pathSegments))
        exchange.label = arrival.match.label
        exchange.record = services.accessLog?.record()
        let isRefusedForNow = exchange.request.body != .none && arrival.isRefusedForNow
        // A load balancer's persistent connections must end, too.
        if services.lifecycle.stage != .serving || isRefusedForNow { exchange.closeAfterwards() }
        let call = Call(
            exchange: exchange, services: services, arrival: arrival, caller: .everybody(), requestID: requestID, loop: loop)
        do throws(APIError) {
            try take(call)
        } catch {
            refuse(call, error)
        }
    }

    private func take(_ call: Call) throws(APIError) {
        let scope = call.match.scope
        let request = call.request
        try RequestRules.check(request, needsKey: scope == .operatorKey || services.authentication.isRequired)
        if request.method == .options {
            let fields = services.crossOrigin.preflightFields(for: request, methods: services.routes.methodNames)
            return call.exchange.respond(.noContent, fields: fields)
        }
        if scope == .open { return try run(call) }
        try services.crossOrigin.check(request, isByUnixSocket: call.exchange.isFromUnixSocket)
        if scope == .operatorKey {
            try checkOperator(call)
            return try run(call)
        }
        try admit(call) { [self] (call) throws(APIError) in
            try read(call) { [self] (call) throws(APIError) in
                try call.once { [self] call in
                    do throws(APIError) {
                        try run(call)
                    } catch {
                        refuse(call, error)
                    }
                }
            }
        }
    }

    private func run(_ call: Call) throws(APIError) {
        let endpoint: RouteTable.Endpoint
        switch call.match.outcome {
        case .found(let found): endpoint = found
        case .wrongMethod(let taken): throw .methodNotAllowed(taken)
        case .notFound: throw services.routes.noSuchPath(call.request)
        }
        var call = call
        switch endpoint.route.admission {
        case .always: break
        case .writes: if let failure = services.storageFailure { throw failure }
        case .newWork:
            call.isNewWork = true
            try call.checkNewWork()
        }
        switch endpoint.route.action {
        case .respond(let handler): try handler(call, call.match.parameters)
        case .openSocket(let opening): try call.upgrade(opening)
        }
    }

    /// Responds to a call with an error; also counts it as a failed handshake if a WebSocket was requested.
    package func refuse(_ call: Call, _ error: APIError) {
        if Self.isForWebSocket(call.request), services.routes.hasSocket(label: call.exchange.label) {
            services.calls(on: call.loop).counters.countHandshakeFailure(error.handshakeLabel ?? error.code ?? "refused")
        }
        call.fail(error)
    }

    private static func isForWebSocket(_ request: RequestHead) -> Bool {
        request.method == .get && request.fields.list("upgrade", contains: "websocket")
    }

    // MARK: Connection-level answers

    package func errorAnswer(for status: HTTPStatus, _ message: String) -> HTTPErrorAnswer {
        HTTPErrorAnswer(
            fields: [("Content-Type", "application/json"), ("x-request-id", Identifier.make("req_"))],
            body: Self.error(status, message).body)
    }

    private static func error(_ status: HTTPStatus, _ message: String) -> APIError {
        switch status {
        // Too many connections: in total, or of one client.
        case .serviceUnavailable: APIError(status: status, message: message, type: "server_error", code: "overloaded")
        case .tooManyRequests: APIError(status: status, message: message, type: "rate_limit_error", code: "too_many_connections")
        case .unsupportedMediaType: APIError(status: status, message: message, code: "unsupported_content_encoding")
        default: APIError(status: status, message: message, code: "bad_request")
        }
    }

    package func hasRoom(on loop: EventLoop) -> Bool { !services.sessions(on: loop).isOverloaded() }

    package var noRoomAnswer: HTTPErrorAnswer {
        let error = APIError.overloaded
        return HTTPErrorAnswer(
            fields: [("Content-Type", "application/json"), ("x-request-id", Identifier.make("req_")), ("Retry-After", "5")],
            body: error.body)
    }

    package func pageFields(origin: String?, isHeadWhole: Bool) -> [(name: String, value: String)] {
        services.crossOrigin.fields(origin: origin, isHeadWhole: isHeadWhole)
    }

    package func requestRefused(_ request: RefusedRequest, on loop: EventLoop) {
        services.calls(on: loop).counters.countAnswer(0, request.status)
        services.accessLog?.write(request)
    }

    package func exchangeAnswered(_ exchange: HTTPExchange, _ status: HTTPStatus) {
        guard let loop = exchange.loop else { return }
        services.calls(on: loop).counters.countAnswer(exchange.label, status)
    }

    /// Writes the access log's line. Without query and header fields, which may contain keys.
    package func exchangeEnded(_ exchange: HTTPExchange) {
        guard let loop = EventLoop.current else { return }
        services.calls(on: loop).open.remove(exchange)
        let record = exchange.record as? AccessRecord
        guard record != nil || loop.logger.logLevel <= .debug else { return }
        let metadata: Logger.Metadata = [
            "request_id": "\(exchange.commonFields.first?.value ?? "")",
            "connection": "\(exchange.connectionID)", "method": "\(exchange.request.method.name)",
            "path": "\(exchange.request.target.path)",
            "status": exchange.status.map { .stringConvertible($0.code) } ?? "none",
            "peer": "\(exchange.clientAddress.map { "\($0)" } ?? "unix")",
            "duration_ms": .stringConvertible((loop.clock.now - exchange.began).nanoseconds / 1_000_000),
        ]
        guard let record else {
            loop.logger.debug("request", metadata: metadata)
            return
        }
        if record.requestEnded(metadata) { loop.schedule(after: AccessRecord.patience) { record.write() } }
    }
}
