package import HTTP

/// One call of the API: everything that is decided before its handler runs, and the handler.
///
/// A face lists its calls as `routes`: a constant, or made with the parts of the server that the face alone needs. Dispatch,
/// scopes, bindings, `HEAD`, `Allow`, CORS, idempotency and the label of the metrics follow from the list; the tests compare the
/// same list with `Protocols/openapi.yaml` and try every route with every kind of credential.
///
///     static let routes = [
///         Route(.post, "/v1/notes", label: "notes", scope: .one(.chat), admission: .newWork, body: .json, create),
///         Route(.get, "/v1/notes/{note_id}", label: "notes", scope: .one(.chat), retrieve),
///     ]
package struct Route: Sendable {
    /// `GET` also handles `HEAD`.
    package let method: HTTPMethod
    /// The path's segments and parameters.
    let path: RoutePattern
    /// Label of its responses in the metrics.
    package let label: String
    /// The scopes that a caller must have.
    package let scope: RouteScope
    /// What a bound credential must be bound to.
    package let binding: RouteBinding
    /// When a call is refused.
    package let admission: Admission
    /// Nil ignores an `Idempotency-Key`.
    package let idempotency: Idempotency?
    /// How the body is read.
    package let body: Body
    let action: Action

    /// Conditions under which a call is refused before its handler runs.
    package enum Admission: Sendable {
        /// Never: for reads, and for calls that stop something.
        case always
        /// While the store cannot be written.
        case writes
        /// Also while the server drains or is out of memory.
        case newWork
    }

    /// The outcome that an `Idempotency-Key` leads to.
    package enum Idempotency: Sendable {
        /// A response.
        /// - Parameters:
        ///   - prefix: prefix of its identifier.
        ///   - replay: answers a repeated call with the response that the first call began.
        case response(prefix: String, replay: @Sendable (Call, String) throws(APIError) -> Void)
        /// The answer itself, which is stored.
        case answer
        /// Like ``answer``, for a streamed body: the handler calls ``Call/onceReceived(_:_:)`` at its end.
        case received
    }

    /// How a request's body reaches the handler.
    package enum Body: Sendable {
        case none
        /// Parsed whole; off the loop if large.
        case json
        /// Reads it while it arrives.
        case streamed(maxBytes: Int)
    }

    enum Action: Sendable {
        case respond(@Sendable (Call, PathParameters) throws(APIError) -> Void)
        case openSocket(SocketOpening)
    }

    private init(
        method: HTTPMethod, path: RoutePattern, label: String, scope: RouteScope, binding: RouteBinding, admission: Admission,
        idempotency: Idempotency?, body: Body, parameterCount: Int, action: Action
    ) {
        // number-safe: routes are written in the source, and made when the server starts
        precondition(method != .head && method != .options, "\(path): HEAD and OPTIONS follow from the other methods")
        // number-safe: routes are written in the source, and made when the server starts
        precondition(path.parameterCount == parameterCount, "\(path): the handler takes \(parameterCount) parameters")
        let needsParameter = binding == .session || binding == .response
        // number-safe: routes are written in the source, and made when the server starts
        precondition(!needsParameter || path.parameterCount > 0, "\(path): no parameter names what the credential is bound to")
        self.method = method
        self.path = path
        self.label = label
        self.scope = scope
        self.binding = binding
        self.admission = admission
        self.idempotency = idempotency
        self.body = body
        self.action = action
    }

    /// A call whose path has no parameter.
    package init(
        _ method: HTTPMethod, _ path: RoutePattern, label: String = RouteTable.unlabelled, scope: RouteScope,
        binding: RouteBinding = .unbound, admission: Admission = .always, idempotency: Idempotency? = nil, body: Body = .none,
        _ handler: @escaping @Sendable (Call) throws(APIError) -> Void
    ) {
        self.init(
            method: method, path: path, label: label, scope: scope, binding: binding, admission: admission,
            idempotency: idempotency, body: body, parameterCount: 0,
            action: .respond { (call, _) throws(APIError) in try handler(call) })
    }

    /// A call whose path has one parameter.
    /// - Parameter handler: gets the parameter, percent-decoded.
    package init(
        _ method: HTTPMethod, _ path: RoutePattern, label: String = RouteTable.unlabelled, scope: RouteScope,
        binding: RouteBinding = .unbound, admission: Admission = .always, idempotency: Idempotency? = nil, body: Body = .none,
        _ handler: @escaping @Sendable (Call, String) throws(APIError) -> Void
    ) {
        self.init(
            method: method, path: path, label: label, scope: scope, binding: binding, admission: admission,
            idempotency: idempotency, body: body, parameterCount: 1,
            action: .respond { (call, parameters) throws(APIError) in try handler(call, parameters[0]) })
    }

    /// A call whose path has two parameters.
    /// - Parameter handler: gets the parameters, percent-decoded.
    package init(
        _ method: HTTPMethod, _ path: RoutePattern, label: String = RouteTable.unlabelled, scope: RouteScope,
        binding: RouteBinding = .unbound, admission: Admission = .always, idempotency: Idempotency? = nil, body: Body = .none,
        _ handler: @escaping @Sendable (Call, String, String) throws(APIError) -> Void
    ) {
        self.init(
            method: method, path: path, label: label, scope: scope, binding: binding, admission: admission,
            idempotency: idempotency, body: body, parameterCount: 2,
            action: .respond { (call, parameters) throws(APIError) in try handler(call, parameters[0], parameters[1]) })
    }

    /// A WebSocket: a `GET` that is upgraded.
    package static func socket(
        _ path: RoutePattern, label: String, scope: RouteScope, binding: RouteBinding = .unbound, _ opening: SocketOpening
    ) -> Route {
        Route(
            method: .get, path: path, label: label, scope: scope, binding: binding, admission: .always, idempotency: nil,
            body: .none, parameterCount: path.parameterCount, action: .openSocket(opening))
    }

    /// The same call with another handler: for tests of what precedes it.
    func handled(by handler: @escaping @Sendable (Call, PathParameters) throws(APIError) -> Void) -> Route {
        Route(
            method: method, path: path, label: label, scope: scope, binding: binding, admission: admission,
            idempotency: idempotency, body: body, parameterCount: path.parameterCount, action: .respond(handler))
    }

    var isSocket: Bool { if case .openSocket = action { true } else { false } }
}

extension Route: CustomStringConvertible {
    package var description: String { "\(method.name) \(path)" }
}
