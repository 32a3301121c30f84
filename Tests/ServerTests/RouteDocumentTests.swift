import Foundation
import Testing
import Yams

@testable import API

/// The list of routes against `Protocols/openapi.yaml`, in both directions.
@Suite struct RouteDocumentTests {
    private static let methods = ["get", "put", "post", "delete", "patch", "head", "options", "trace"]

    private struct Operation {
        let node: Node
        /// Those of the path and its own.
        let parameters: [Node]

        /// Whether it needs no key.
        var isOpen: Bool { node["security"]?.sequence?.isEmpty ?? false }
        var takesBody: Bool { node["requestBody"] != nil }
        func refersTo(_ component: String) -> Bool {
            parameters.contains { $0["$ref"]?.string == "#/components/parameters/\(component)" }
        }
    }

    private let document: Node
    private let operations: [String: Operation]

    init() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Protocols/openapi.yaml")
        document = try #require(try compose(yaml: String(contentsOf: file, encoding: .utf8)))
        var operations: [String: Operation] = [:]
        for (path, item) in try #require(document["paths"]?.mapping) {
            let shared = item["parameters"]?.sequence.map { Array($0) } ?? []
            for method in Self.methods {
                guard let node = item[method], let path = path.string else { continue }
                let own = node["parameters"]?.sequence.map { Array($0) } ?? []
                operations["\(method.uppercased()) \(path)"] = Operation(node: node, parameters: shared + own)
            }
        }
        self.operations = operations
    }

    /// The name of a parameter and where it stands, behind its reference.
    private func resolve(_ parameter: Node) -> (name: String?, place: String?) {
        let reference = parameter["$ref"]?.string?.split(separator: "/").last.map(String.init)
        let node = reference.flatMap { document["components"]?["parameters"]?[$0] } ?? parameter
        return (node["name"]?.string, node["in"]?.string)
    }

    @Test func everyRouteIsDocumentedAndNothingElse() async throws {
        let routes = Set(try await servedRoutes().map(\.description))
        #expect(routes.subtracting(operations.keys) == [], "routes without a place in openapi.yaml")
        #expect(Set(operations.keys).subtracting(routes) == [], "operations of openapi.yaml without a route")
    }

    @Test func whatIsSaidOfARouteIsWhatTheListHas() async throws {
        for route in try await servedRoutes() {
            let operation = try #require(operations["\(route)"])
            #expect(operation.isOpen == (route.scope == .open), "security of \(route)")
            #expect(operation.refersTo("IdempotencyKey") == (route.idempotency != nil), "Idempotency-Key of \(route)")
            var takesBody = true
            if case .none = route.body { takesBody = false }
            #expect(operation.takesBody == takesBody, "the body of \(route)")
            let named = operation.parameters.map(resolve).filter { $0.place == "path" }.compactMap(\.name)
            let parameters = route.path.segments.compactMap { if case .parameter(let name) = $0 { name } else { nil } }
            #expect(Set(named) == Set(parameters), "the parameters of \(route)")
        }
    }
}
