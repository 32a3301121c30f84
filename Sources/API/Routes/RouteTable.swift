import Access
import HTTP

/// The routes of a server, by path.
///
/// A tree of segments, searched segment by segment, literals before parameters. Built once, at the start.
package struct RouteTable: Sendable {
    /// Label of requests that belong to no face.
    static let unlabelled = "other"
    /// First segment of all paths that need a key: only authenticated callers learn which of these exist.
    private static let version = "v1"

    /// All routes, in the order in which they were given.
    package let routes: [Route]
    /// Labels for the metrics, indexed by ``Endpoint/label``; the first is ``unlabelled``.
    package let labels: [String]
    /// Whether each label has a WebSocket.
    private let socketLabels: [Bool]
    private let nodes: [Node]
    /// Names of all methods in use, for preflights.
    let methodNames: String

    /// A route with its index and label.
    final class Endpoint: Sendable {
        let route: Route
        let label: UInt8
        let parameterPositions: [Int]

        init(_ route: Route, label: UInt8) {
            self.route = route
            self.label = label
            parameterPositions = route.path.parameterPositions
        }
    }

    private struct Node {
        var literals: [String: Int] = [:]
        var parameter: Int?
        /// Routes of this path, in the order of the list.
        var endpoints: [Endpoint] = []
        /// The first route of this path or below.
        var first: Endpoint?
        var isLeaf: Bool { literals.isEmpty && parameter == nil }
    }

    /// Builds the table. Two routes must not match the same request.
    package init(_ routes: [Route]) {
        var labels = [Self.unlabelled]
        var nodes = [Node()]
        var endpoints: [Endpoint] = []
        for route in routes {
            if let other = endpoints.first(where: { $0.route.method == route.method && $0.route.path.overlaps(route.path) }) {
                // number-safe: routes are written in the source, and made when the server starts
                preconditionFailure("a request could be for both \(route) and \(other.route)")
            }
            if !labels.contains(route.label) { labels.append(route.label) }
            let endpoint = Endpoint(route, label: UInt8(labels.firstIndex(of: route.label) ?? 0))
            endpoints.append(endpoint)
            var node = 0
            for segment in route.path.segments {
                let next: Int?
                switch segment {
                case .literal(let text): next = nodes[node].literals[text]
                case .parameter: next = nodes[node].parameter
                }
                if let next {
                    node = next
                } else {
                    switch segment {
                    case .literal(let text): nodes[node].literals[text] = nodes.count
                    case .parameter: nodes[node].parameter = nodes.count
                    }
                    node = nodes.count
                    nodes.append(Node())
                }
                if nodes[node].first == nil { nodes[node].first = endpoint }
            }
            nodes[node].endpoints.append(endpoint)
        }
        self.routes = routes
        self.labels = labels
        self.nodes = nodes
        socketLabels = labels.map { label in routes.contains { $0.isSocket && $0.label == label } }
        let methods = [HTTPMethod.get, .post, .put, .patch, .delete].filter { method in routes.contains { $0.method == method } }
        methodNames = (methods + [.head, .options]).map(\.name).joined(separator: ", ")
    }

    func hasSocket(label: UInt8) -> Bool { socketLabels[Int(label)] }

    // MARK: Lookup

    /// Finds the route of a request.
    /// - Parameter segments: the path's segments, percent-decoded.
    func match(_ method: HTTPMethod, _ segments: [String]) -> RouteMatch {
        let asked = method == .head ? .get : method
        if let endpoint = find(asked, 0, segments[...]) {
            return RouteMatch(.found(endpoint), scope: endpoint.route.scope, rules: endpoint, segments: segments)
        }
        // Access is checked first, whatever the method, and also for paths that do not exist.
        var taken: [Endpoint] = []
        collect(0, segments[...], into: &taken)
        if let first = taken.first {
            return RouteMatch(.wrongMethod(taken.map(\.route.method)), scope: first.route.scope, rules: first, segments: segments)
        }
        let nearest = nearest(to: segments)
        let scope: RouteScope
        if segments.first == Self.version, !segments.contains("") {
            scope = nearest?.route.scope ?? .one(.all)
        } else if case .operatorKey? = nearest?.route.scope {
            scope = .operatorKey
        } else {
            // Needs no key: a client with a wrong base URL may have a valid key, and should not get an error about scopes.
            scope = .open
        }
        return RouteMatch(.notFound, scope: scope, rules: nearest, segments: segments)
    }

    private func find(_ method: HTTPMethod, _ node: Int, _ segments: ArraySlice<String>) -> Endpoint? {
        guard let segment = segments.first else { return nodes[node].endpoints.first { $0.route.method == method } }
        if let next = nodes[node].literals[segment], let found = find(method, next, segments.dropFirst()) { return found }
        guard let next = nodes[node].parameter, !segment.isEmpty else { return nil }
        return find(method, next, segments.dropFirst())
    }

    /// The routes of a path with any method: of two nodes where both a literal and a parameter match a segment.
    private func collect(_ node: Int, _ segments: ArraySlice<String>, into endpoints: inout [Endpoint]) {
        guard let segment = segments.first else { return endpoints += nodes[node].endpoints }
        if let next = nodes[node].literals[segment] { collect(next, segments.dropFirst(), into: &endpoints) }
        if let next = nodes[node].parameter, !segment.isEmpty { collect(next, segments.dropFirst(), into: &endpoints) }
    }

    /// The route whose access rules apply to a path that does not exist: one below the longest prefix that does.
    private func nearest(to segments: [String]) -> Endpoint? {
        let isVersioned = segments.first == Self.version
        var node = 0
        var nearest: Endpoint?
        for (index, segment) in segments.enumerated() {
            guard let next = nodes[node].literals[segment] ?? (segment.isEmpty ? nil : nodes[node].parameter) else { break }
            node = next
            if isVersioned ? index == 1 || index > 1 && !nodes[node].isLeaf : !nodes[node].isLeaf { nearest = nodes[node].first }
        }
        return nearest
    }

    // MARK: Unknown paths

    /// 404, with the path that was probably meant, if there is one.
    func noSuchPath(_ request: RequestHead) -> APIError {
        let asked = "\(request.method.name) \(request.target.path)"
        guard let path = meantPath(request.target.pathSegments), path != request.target.path else {
            return APIError(status: .notFound, message: "There is no \(asked).", code: "unknown_url")
        }
        return APIError(
            status: .notFound,
            message:
                "There is no \(asked). Try \(path): the base URL of a client must end in /v1, once and without a slash behind it.",
            code: "unknown_url")
    }

    /// The path with a single leading `/v1` and no empty segments, if there are routes below it.
    private func meantPath(_ segments: [String]) -> String? {
        let named = segments.filter { !$0.isEmpty }
        let behind = named.lastIndex(of: Self.version).map { named[($0 + 1)...] } ?? named[...]
        guard let first = behind.first, let root = nodes[0].literals[Self.version], nodes[root].literals[first] != nil else {
            return nil
        }
        // The segments are echoed verbatim, and only if that is possible.
        guard
            behind.allSatisfy({
                $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "%") }
            })
        else { return nil }
        return "/\(Self.version)/" + behind.joined(separator: "/")
    }
}

/// The result of looking up a request's method and path in a ``RouteTable``.
struct RouteMatch: Sendable {
    enum Outcome: Sendable {
        case found(RouteTable.Endpoint)
        /// The path exists, with these methods.
        case wrongMethod([HTTPMethod])
        case notFound
    }

    let outcome: Outcome
    /// The required scope, also for paths that do not exist.
    let scope: RouteScope
    /// The matched route, or the one whose access rules apply instead; nil for none.
    private let rules: RouteTable.Endpoint?
    private let segments: [String]

    fileprivate init(_ outcome: Outcome, scope: RouteScope, rules: RouteTable.Endpoint?, segments: [String]) {
        self.outcome = outcome
        self.scope = scope
        self.rules = rules
        self.segments = segments
    }

    var endpoint: RouteTable.Endpoint? { if case .found(let endpoint) = outcome { endpoint } else { nil } }
    var route: Route? { endpoint?.route }
    /// Index in ``RouteTable/labels``.
    var label: UInt8 { rules?.label ?? 0 }
    var binding: RouteBinding { rules?.route.binding ?? .unbound }
    var parameters: PathParameters { PathParameters(segments: segments, positions: endpoint?.parameterPositions ?? []) }

    /// The first parameter of that route, if the path is long enough.
    var boundID: String? {
        guard let position = rules?.parameterPositions.first, position < segments.count else { return nil }
        return segments[position]
    }
}

extension APIError {
    /// - Parameter taken: the path's methods, in the order of the list.
    static func methodNotAllowed(_ taken: [HTTPMethod]) -> APIError {
        let names = taken.map(\.name)
        let heads = taken.contains(.get) ? [HTTPMethod.head.name] : []
        return APIError(
            status: .methodNotAllowed, message: "The method must be \(names.joined(separator: " or ")).",
            code: "method_not_allowed", fields: [("Allow", (names + heads).joined(separator: ", "))])
    }
}
