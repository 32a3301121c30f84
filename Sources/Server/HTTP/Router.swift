import HTTP
import JSON
import Jobs
import Logging
import Network
import Sessions
import WebSocket

/// Takes each request to its face: identifies it, finds out who calls, and turns errors to answers.
final class Router: HTTPRequestHandler {
    let context: ServerContext

    init(context: ServerContext) { self.context = context }

    func handle(_ exchange: HTTPExchange) {
        guard let loop = exchange.loop else { return }
        let requestID = Identifier.make("req_")
        exchange.commonFields = [("x-request-id", requestID)] + context.crossOrigin.fields(for: exchange.request)
        let path = exchange.request.target.pathSegments
        exchange.label = ServerCounters.Face(path).rawValue
        exchange.record = context.accessLog?.record()
        // A balancer that keeps connections open must let go of them, too.
        if context.lifecycle.stage != .serving || isRefusedForNow(exchange) { exchange.closeAfterwards() }
        let isOpen = path == ["healthz"] || path == ["readyz"]
        let isForOperator = path == ["metrics"] || path.first == "debug"
        let call = Call(exchange: exchange, context: context, caller: .everybody(), requestID: requestID, loop: loop)
        do throws(APIError) {
            try RequestRules.check(exchange.request, needsKey: isForOperator || context.authentication.isRequired)
            if exchange.request.method == .options {
                exchange.respond(.noContent, fields: context.crossOrigin.preflightFields(for: exchange.request))
            } else if isForOperator {
                try context.crossOrigin.check(exchange.request, isByUnixSocket: exchange.isFromUnixSocket)
                try context.operatorAccess.check(
                    exchange.request, from: exchange.clientAddress, attempts: context.authentication.attempts, now: loop.now,
                    keysAreRequired: context.authentication.isRequired)
                try route(call, path)
            } else if isOpen {
                try route(call, path)
            } else if path.first != "v1" || path.contains("") {
                // Told to everybody: whoever has the base URL wrong has the right key, and would hear of scopes.
                throw Self.noSuchPath(call)
            } else {
                try context.crossOrigin.check(exchange.request, isByUnixSocket: exchange.isFromUnixSocket)
                try admit(call, path) { [self] (call) throws(APIError) in
                    try read(call) { [self] (call) throws(APIError) in
                        try once(call, path) { [self] call in
                            do throws(APIError) {
                                try route(call, path)
                            } catch {
                                refuse(call, error)
                            }
                        }
                    }
                }
            }
        } catch {
            refuse(call, error)
        }
    }

    func refuse(_ call: Call, _ error: APIError) {
        if Self.isForWebSocket(call.request), call.exchange.label == ServerCounters.Face.responses.rawValue {
            context.sessions(on: call.loop).counters.countHandshakeFailure(error.handshakeLabel ?? error.code ?? "refused")
        }
        call.fail(error)
    }

    private static func isForWebSocket(_ request: RequestHead) -> Bool {
        request.method == .get && request.fields.list("upgrade", contains: "websocket")
    }

    private func route(_ call: Call, _ path: [String]) throws(APIError) {
        // HEAD asks for what GET would answer.
        let method = call.request.method == .head ? .get : call.request.method
        switch path.count {
        case 1 where path == ["healthz"]: try only(.get, method) { ServiceFace.health(call) }
        case 1 where path == ["readyz"]: try only(.get, method) { ServiceFace.readiness(call) }
        case 1 where path == ["metrics"]: try only(.get, method) { OperatorFace.metrics(call) }
        case 2 where path == ["debug", "connections"]:
            try only(.get, method) { () throws(APIError) in try OperatorFace.connections(call) }
        case 2 where path == ["debug", "upstreams"]: try only(.get, method) { UpstreamsReport.answer(call) }
        case 2... where path[0] == "v1": try routeV1(call, method, Array(path.dropFirst()))
        default: throw Self.noSuchPath(call)
        }
    }

    private func routeV1(_ call: Call, _ method: HTTPMethod, _ path: [String]) throws(APIError) {
        switch (path[0], path.count) {
        case ("models", 1): try only(.get, method) { ServiceFace.models(call) }
        case ("models", 2): try only(.get, method) { () throws(APIError) in try ServiceFace.model(call, id: path[1]) }
        case ("chat", 2) where path[1] == "completions":
            try only(.post, method) { () throws(APIError) in try begin(call, ChatFace.create) }
        case ("responses", 1):
            if method == .get {
                try upgrade(call)
            } else {
                try only(.post, method, also: .get) { () throws(APIError) in try begin(call, ResponsesFace.create) }
            }
        case ("responses", 2) where path[1] == "input_tokens" && method == .post: try ResponsesFace.countInputTokens(call)
        case ("responses", 2) where path[1] == "compact" && method == .post: throw Self.noCompaction
        case ("responses", 2):
            if method == .delete {
                try ResponsesFace.delete(call, id: path[1])
            } else {
                try only(.get, method, also: .delete) { () throws(APIError) in try ResponsesFace.retrieve(call, id: path[1]) }
            }
        case ("responses", 3) where path[2] == "input_items":
            try only(.get, method) { () throws(APIError) in try ResponsesFace.inputItems(call, id: path[1]) }
        case ("responses", 3) where path[2] == "cancel":
            try only(.post, method) { () throws(APIError) in try ResponsesFace.cancel(call, id: path[1]) }
        case ("responses", 3) where path[2] == "steer":
            try only(.post, method) { () throws(APIError) in
                try begin(call) { (call) throws(APIError) in try ResponsesFace.steer(call, id: path[1]) }
            }
        case ("responses", 3) where path[2] == "events":
            try only(.post, method) { () throws(APIError) in try RunnerFace.post(call, id: path[1]) }
        case ("responses", 3) where path[2] == "runner":
            try only(.get, method) { () throws(APIError) in try RunnerFace.watch(call, id: path[1]) }
        case ("runner", 2) where path[1] == "work":
            try only(.get, method) { () throws(APIError) in try RunnerFace.work(call) }
        case ("usage", 1),
            ("organization", 3) where path[0] == "usage" || path[1...] == ["usage", "completions"]:
            try only(.get, method) { () throws(APIError) in try UsageFace.report(call) }
        case ("client_tokens", 1): try only(.post, method) { () throws(APIError) in try CredentialsFace.createToken(call) }
        case ("stream_tickets", 1): try only(.post, method) { () throws(APIError) in try CredentialsFace.createTicket(call) }
        case ("webhook_endpoints", _), ("webhook_events", _), ("webhook_event_types", _): try routeWebhooks(call, method, path)
        case ("conversations", _): try routeConversations(call, method, Array(path.dropFirst()))
        case ("sessions", _): try routeSessions(call, method, Array(path.dropFirst()))
        case ("files", _): try routeFiles(call, method, Array(path.dropFirst()))
        case ("batches", _): try routeBatches(call, method, Array(path.dropFirst()))
        default: throw Self.noSuchPath(call)
        }
    }

    private func routeSessions(_ call: Call, _ method: HTTPMethod, _ path: [String]) throws(APIError) {
        switch (path.count, path.count > 1 ? path[1] : "") {
        case (0, _):
            if method == .get {
                try SessionsFace.list(call)
            } else {
                try only(.post, method, also: .get) { () throws(APIError) in try begin(call, SessionsFace.create) }
            }
        case (1, _):
            if method == .delete {
                try SessionsFace.delete(call, id: path[0])
            } else {
                try only(.get, method, also: .delete) { () throws(APIError) in try SessionsFace.retrieve(call, id: path[0]) }
            }
        case (2, "events"): try only(.get, method) { () throws(APIError) in try SessionsFace.events(call, id: path[0]) }
        case (2, "input"):
            try only(.post, method) { () throws(APIError) in
                try begin(call) { (call) throws(APIError) in try SessionsFace.input(call, id: path[0]) }
            }
        case (2, "cancel"): try only(.post, method) { () throws(APIError) in try SessionsFace.cancel(call, id: path[0]) }
        default: throw Self.noSuchPath(call)
        }
    }

    private func routeWebhooks(_ call: Call, _ method: HTTPMethod, _ path: [String]) throws(APIError) {
        switch (path[0], path.count, path.count > 2 ? path[2] : "") {
        case ("webhook_endpoints", 1, _):
            if method == .get {
                try WebhooksFace.list(call)
            } else {
                try only(.post, method, also: .get) { () throws(APIError) in try begin(call, WebhooksFace.create) }
            }
        case ("webhook_endpoints", 2, _):
            switch method {
            case .get: WebhooksFace.retrieve(call, id: path[1])
            case .delete:
                try checkStorage()
                WebhooksFace.delete(call, id: path[1])
            case .patch:
                try checkStorage()
                try WebhooksFace.update(call, id: path[1])
            default:
                try only(.post, method, also: .get) { () throws(APIError) in
                    try checkStorage()
                    try WebhooksFace.update(call, id: path[1])
                }
            }
        case ("webhook_endpoints", 3, "rotate_secret"):
            try only(.post, method) { () throws(APIError) in
                try checkStorage()
                try WebhooksFace.rotateSecret(call, id: path[1])
            }
        case ("webhook_endpoints", 3, "test"):
            try only(.post, method) { () throws(APIError) in
                try begin(call) { (call) throws(APIError) in try WebhooksFace.test(call, id: path[1]) }
            }
        case ("webhook_endpoints", 3, "deliveries"):
            try only(.get, method) { () throws(APIError) in try WebhooksFace.deliveries(call, id: path[1]) }
        case ("webhook_events", 3, "redeliver"):
            try only(.post, method) { () throws(APIError) in try WebhooksFace.redeliver(call, id: path[1]) }
        case ("webhook_event_types", 1, _): try only(.get, method) { WebhooksFace.eventTypes(call) }
        default: throw Self.noSuchPath(call)
        }
    }

    // MARK: Rules

    /// New work is refused while the server drains; the client may find another.
    func begin(_ call: Call, _ face: (Call) throws(APIError) -> Void) throws(APIError) {
        var call = call
        call.isNewWork = true
        try call.checkNewWork()
        try face(call)
    }

    /// What changes something is refused at once while it is known that nothing can be written.
    func checkStorage() throws(APIError) {
        if let failure = context.storageFailure { throw failure }
    }

    func only(
        _ allowed: HTTPMethod, _ method: HTTPMethod, also: HTTPMethod? = nil, _ body: () throws(APIError) -> Void
    ) throws(APIError) {
        guard method == allowed else {
            let methods = [allowed, also].compactMap { $0?.name }
            let reads = methods.contains(HTTPMethod.get.name) ? [HTTPMethod.head.name] : []
            throw APIError(
                status: .methodNotAllowed, message: "The method must be \(methods.joined(separator: " or ")).",
                code: "method_not_allowed", fields: [("Allow", (methods + reads).joined(separator: ", "))])
        }
        try body()
    }

    /// OpenAI's call that shortens a conversation to an item only its own models can read.
    private static var noCompaction: APIError {
        APIError(
            status: .notImplemented,
            message: "Compaction is not there. Go on in a new conversation with a summary, or delete items of a conversation.",
            code: "compaction_not_supported", fields: [("x-should-retry", "false")])
    }

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
        context.sessions(on: loop).counters.countAnswer(ServerCounters.Face.other.rawValue, request.status)
        context.accessLog?.write(request)
    }

    func exchangeAnswered(_ exchange: HTTPExchange, _ status: HTTPStatus) {
        guard let loop = exchange.loop else { return }
        context.sessions(on: loop).counters.countAnswer(exchange.label, status)
    }

    /// The access line. No query and no fields: they may hold keys.
    func exchangeEnded(_ exchange: HTTPExchange) {
        guard let loop = EventLoop.current else { return }
        context.credentials(on: loop).remove(exchange)
        let record = exchange.record as? AccessRecord
        guard record != nil || loop.logger.logLevel <= .debug else { return }
        let metadata: Logger.Metadata = [
            "request_id": "\(exchange.commonFields.first?.value ?? "")",
            "connection": "\(exchange.connectionID)", "method": "\(exchange.request.method.name)",
            "path": "\(exchange.request.target.path)",
            "status": exchange.status.map { .stringConvertible($0.code) } ?? "none",
            "peer": "\(exchange.clientAddress.map { "\($0)" } ?? "unix")",
            "duration_ms": .stringConvertible((Instant.monotonicNow - exchange.began).nanoseconds / 1_000_000),
        ]
        guard let record else {
            loop.logger.debug("request", metadata: metadata)
            return
        }
        if record.requestEnded(metadata) { loop.schedule(after: AccessRecord.patience) { record.write() } }
    }

    // MARK: WebSocket

    private func upgrade(_ call: Call) throws(APIError) {
        let request = call.request
        let handshake = HandshakeRequest(
            method: request.method.name, httpMinorVersion: request.minorVersion,
            fields: request.fields.map { (name: $0.name, value: $0.value) })
        guard ServerHandshake.isUpgrade(handshake) else {
            throw APIError(
                status: .upgradeRequired,
                message: "GET /v1/responses is a WebSocket: connect with wss:// or ws://, or POST for an answer over HTTP.",
                code: "upgrade_required", fields: [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")])
        }
        if context.lifecycle.isDraining {
            throw .shuttingDown
        }
        if context.sessions(on: call.loop).isOverloaded() { throw .overloaded }
        let cutForm = try call.cutForm()
        do {
            var acceptance = try ServerHandshake(origins: .any, deflate: context.configuration.deflate).accept(handshake)
            // A browser that sent its key as a subprotocol wants to hear one of its offers: never the key.
            acceptance.subprotocol = handshake.offeredSubprotocols.first { $0 == "realtime" }
            let context = context
            let caller = call.caller
            call.exchange.upgrade(
                acceptance, limits: WebSocketLimits(maxMessageBytes: context.configuration.maxMessageBytes),
                liveness: context.webSocketLiveness
            ) { ResponsesSocket($0, context: context, caller: caller, cutForm: cutForm) }
        } catch {
            var refusal = APIError(
                status: HTTPStatus(error.status), message: error.reason, code: "websocket_handshake_failed",
                fields: error.fields.filter { $0.name != "Connection" })
            refusal.handshakeLabel = error.label
            throw refusal
        }
    }
}

extension HandshakeRejection {
    /// In a word, for counters.
    fileprivate var label: String {
        switch self {
        case .methodNotGET: "method"
        case .httpVersionTooOld: "http_version"
        case .notAnUpgrade: "not_an_upgrade"
        case .connectionNotUpgrade: "connection_field"
        case .fieldNotOnce: "field_not_once"
        case .invalidKey: "key"
        case .unsupportedVersion: "version"
        case .invalidSubprotocols: "subprotocols"
        case .invalidExtensions: "extensions"
        case .hasBody: "body"
        case .originNotAllowed: "origin_not_allowed"
        case .digestUnavailable: "digest"
        }
    }
}
