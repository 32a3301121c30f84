import HTTP
import Server
import Testing

@testable import API

/// The list of the server itself.
@Suite struct RouteListTests {
    private let table = RouteTable(Server.routes)

    @Test func noTwoRoutesMatchOneRequest() {
        for (index, route) in Server.routes.enumerated() {
            for other in Server.routes[..<index] where other.method == route.method {
                #expect(!route.path.overlaps(other.path), "\(route) and \(other)")
            }
        }
    }

    @Test func everyRouteIsFoundByItsOwnPath() {
        for route in Server.routes {
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
