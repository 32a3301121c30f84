import HTTP
import RunningServer
import Testing

@testable import API

/// What a server serves.
func servedRoutes() async throws -> [Route] {
    var routes: [Route] = []
    try await withServer { routes = $0.routes }
    return routes
}

/// The list of the server itself.
@Suite struct RouteListTests {
    private let routes: [Route]
    private let table: RouteTable

    init() async throws {
        routes = try await servedRoutes()
        table = RouteTable(routes)
    }

    @Test func noTwoRoutesMatchOneRequest() {
        for (index, route) in routes.enumerated() {
            for other in routes[..<index] where other.method == route.method {
                #expect(!route.path.overlaps(other.path), "\(route) and \(other)")
            }
        }
    }

    @Test func everyRouteIsFoundByItsOwnPath() {
        for route in routes {
            let segments = route.path.segments.map { segment in
                switch segment {
                case .literal(let text): text
                case .parameter(let name): "<\(name)>"
                }
            }
            let match = table.match(route.method, segments)
            #expect(match.route?.description == route.description)
            #expect((0..<match.parameters.count).map { match.parameters[$0] } == segments.filter { $0.hasPrefix("<") })
            if route.method == .get { #expect(table.match(.head, segments).route?.description == route.description) }
        }
    }

    @Test func thePreflightNamesEveryMethod() {
        #expect(table.methodNames == "GET, POST, PATCH, DELETE, HEAD, OPTIONS")
    }

    @Test func theMetricsCountByTheseLabels() {
        #expect(
            table.labels == [
                "other", "service", "models", "chat", "responses", "sessions", "operation", "files", "batches", "webhooks",
            ])
    }
}
