import HTTP
import Hosting
import Logging
import Network
import Sessions

/// Takes each request to the handler of its route: checks the caller, and answers errors.
final class Router: HTTPRequestHandler {
    let context: ServerContext

    init(context: ServerContext) { self.context = context }

    func handle(_ exchange: HTTPExchange) {
        guard let loop = exchange.loop else { return }
        let requestID = Identifier.make("req_")
        exchange.commonFields = [("x-request-id", requestID)] + context.crossOrigin.fields(for: exchange.request)
        let arrival =
            exchange.credential as? Arrival
            ?? Arrival(context.routes.match(exchange.request.method, exchange.request.target.pathSegments))
        exchange.label = arrival.match.label
        exchange.record = context.accessLog?.record()
        let isRefusedForNow = exchange.request.body != .none && arrival.isRefusedForNow
        // A balancer that keeps connections open must let go of them, too.
        if context.lifecycle.stage != .serving || isRefusedForNow { exchange.closeAfterwards() }
        let call = Call(
            exchange: exchange, context: context, arrival: arrival, caller: .everybody(), requestID: requestID, loop: loop)
        do throws(APIError) {
            try take(call)
        } catch {
            refuse(call, error)
        }
    }

    private func take(_ call: Call) throws(APIError) {
        let scope = call.match.scope
        let request = call.request
        try RequestRules.check(request, needsKey: scope == .operatorKey || context.authentication.isRequired)
        if request.method == .options {
            let fields = context.crossOrigin.preflightFields(for: request, methods: context.routes.methodNames)
            return call.exchange.respond(.noContent, fields: fields)
        }
        if scope == .open { return try run(call) }
        try context.crossOrigin.check(request, isByUnixSocket: call.exchange.isFromUnixSocket)
        if scope == .operatorKey {
            try context.operatorAccess.check(
                request, from: call.exchange.clientAddress, attempts: context.authentication.attempts, now: call.loop.now,
                keysAreRequired: context.authentication.isRequired)
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
        case .notFound: throw context.routes.noSuchPath(call.request)
        }
        var call = call
        switch endpoint.route.admission {
        case .always: break
        case .writes: if let failure = context.storageFailure { throw failure }
        case .newWork:
            call.isNewWork = true
            try call.checkNewWork()
        }
        switch endpoint.route.action {
        case .respond(let handler): try handler(call, call.match.parameters)
        case .openSocket(let opening): try call.upgrade(opening)
        }
    }

    func refuse(_ call: Call, _ error: APIError) {
        if Self.isForWebSocket(call.request), context.routes.hasSocket(label: call.exchange.label) {
            context.sessions(on: call.loop).counters.countHandshakeFailure(error.handshakeLabel ?? error.code ?? "refused")
        }
        call.fail(error)
    }

    private static func isForWebSocket(_ request: RequestHead) -> Bool {
        request.method == .get && request.fields.list("upgrade", contains: "websocket")
    }

    // MARK: What no handler answers

    func errorAnswer(for status: HTTPStatus, _ message: String) -> HTTPErrorAnswer {
        HTTPErrorAnswer(
            fields: [("Content-Type", "application/json"), ("x-request-id", Identifier.make("req_"))],
            body: Self.error(status, message).body)
    }

    private static func error(_ status: HTTPStatus, _ message: String) -> APIError {
        switch status {
        // Too many connections, of all or of one client.
        case .serviceUnavailable: APIError(status: status, message: message, type: "server_error", code: "overloaded")
        case .tooManyRequests: APIError(status: status, message: message, type: "rate_limit_error", code: "too_many_connections")
        case .unsupportedMediaType: APIError(status: status, message: message, code: "unsupported_content_encoding")
        default: APIError(status: status, message: message, code: "bad_request")
        }
    }

    func hasRoom(on loop: EventLoop) -> Bool { !context.sessions(on: loop).isOverloaded() }

    var noRoomAnswer: HTTPErrorAnswer {
        let error = APIError.overloaded
        return HTTPErrorAnswer(
            fields: [("Content-Type", "application/json"), ("x-request-id", Identifier.make("req_")), ("Retry-After", "5")],
            body: error.body)
    }

    func pageFields(origin: String?, isHeadWhole: Bool) -> [(name: String, value: String)] {
        context.crossOrigin.fields(origin: origin, isHeadWhole: isHeadWhole)
    }

    func requestRefused(_ request: RefusedRequest, on loop: EventLoop) {
        context.sessions(on: loop).counters.countAnswer(0, request.status)
        context.accessLog?.write(request)
    }

    func exchangeAnswered(_ exchange: HTTPExchange, _ status: HTTPStatus) {
        guard let loop = exchange.loop else { return }
        context.sessions(on: loop).counters.countAnswer(exchange.label, status)
    }

    /// The access line. No query and no fields: they may hold keys.
    func exchangeEnded(_ exchange: HTTPExchange) {
        guard let loop = EventLoop.current else { return }
        context.open(on: loop).remove(exchange)
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
