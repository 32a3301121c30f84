import Access
import HTTP
import Testing

@testable import API

/// What a method and a path come to in a list of routes.
@Suite struct RouteTableTests {
    private static func answer(_ call: Call) {}
    private static func answer(_ call: Call, note: String) {}
    private static func answer(_ call: Call, note: String, line: String) {}

    private let table = RouteTable([
        Route(.get, "/status", label: "status", scope: .open, answer(_:)),
        Route(.get, "/inside/numbers", label: "inside", scope: .operatorKey, answer(_:)),
        Route(.post, "/v1/notes", label: "notes", scope: .sessions, answer(_:)),
        Route(.get, "/v1/notes", label: "notes", scope: .sessions, answer(_:)),
        Route(.post, "/v1/notes/search", label: "notes", scope: .sessions, answer(_:)),
        Route(.get, "/v1/notes/{note_id}", label: "notes", scope: .sessions, binding: .session, answer(_:note:)),
        Route(.delete, "/v1/notes/{note_id}", label: "notes", scope: .sessions, binding: .session, answer(_:note:)),
        Route(
            .get, "/v1/notes/{note_id}/lines/{line_id}", label: "notes", scope: .sessions, binding: .session, answer(_:note:line:)),
        Route(.post, "/v1/tags", scope: .anyKey, answer(_:)),
    ])

    private func match(_ method: HTTPMethod, _ path: String) -> RouteMatch {
        table.match(method, path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init))
    }

    private func taken(_ match: RouteMatch) -> [HTTPMethod]? {
        if case .wrongMethod(let taken) = match.outcome { taken } else { nil }
    }

    @Test func aPathIsMatchedSegmentBySegment() {
        let match = match(.get, "/v1/notes/a/lines/b")
        #expect(match.route?.path == "/v1/notes/{note_id}/lines/{line_id}")
        #expect((0..<match.parameters.count).map { match.parameters[$0] } == ["a", "b"])
        #expect(match.boundID == "a" && match.binding == .session && table.labels[Int(match.label)] == "notes")
    }

    @Test func headIsForTheRouteOfGet() {
        #expect(match(.head, "/v1/notes/a").route?.method == .get)
        #expect(match(.head, "/v1/tags").route == nil)
    }

    @Test func aLiteralIsTakenBeforeAParameterWhereItHasTheMethod() {
        #expect(match(.post, "/v1/notes/search").route?.path == "/v1/notes/search")
        #expect(match(.get, "/v1/notes/search").route?.path == "/v1/notes/{note_id}")
        #expect(match(.get, "/v1/notes/search").parameters[0] == "search")
    }

    @Test func anotherMethodIsToldThoseThatThereAre() {
        #expect(taken(match(.put, "/v1/notes")) == [.post, .get])
        #expect(taken(match(.put, "/v1/notes/search")) == [.post, .get, .delete])
        let error = APIError.methodNotAllowed([.post, .get])
        #expect(error.message == "The method must be POST or GET." && error.fields.map(\.value) == ["POST, GET, HEAD"])
        #expect(APIError.methodNotAllowed([.post]).fields.map(\.value) == ["POST"])
    }

    @Test func anEmptySegmentIsNoParameter() {
        for path in ["/v1/notes/", "/v1/notes//lines/b", "/v1//notes", "/", "//v1/notes"] {
            #expect(match(.get, path).route == nil && taken(match(.get, path)) == nil, "\(path)")
        }
    }

    @Test(arguments: [
        ("/v1/notes/a/pages", RouteScope.sessions, RouteBinding.session, "notes"),
        ("/v1/notes/a/lines/b/words", .sessions, .session, "notes"), ("/v1/tags/a", .anyKey, .unbound, "other"),
        ("/v1/nowhere", .one(.all), .unbound, "other"), ("/v1", .one(.all), .unbound, "other"),
        ("/inside/letters", .operatorKey, .unbound, "inside"), ("/inside", .operatorKey, .unbound, "inside"),
        ("/v1/notes/", .open, .unbound, "notes"), ("/status/more", .open, .unbound, "other"),
        ("/nowhere", .open, .unbound, "other"),
    ])
    func whatIsNotThereIsUnderTheRulesOfWhatIsNearest(path: String, scope: RouteScope, binding: RouteBinding, label: String) {
        let match = match(.get, path)
        #expect(match.route == nil && match.scope == scope && match.binding == binding && table.labels[Int(match.label)] == label)
    }

    @Test func aWrongBaseURLIsToldTheRightPath() throws {
        func advice(_ path: String) throws -> String {
            var parser = RequestParser()
            let request = Array("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
            let head = try request.withUnsafeBytes { bytes in
                var input = bytes
                guard case .head(let head) = try parser.next(&input) else { throw MessageError.invalidTarget }
                return head
            }
            return table.noSuchPath(head).message
        }
        #expect(try advice("/notes/a").contains("Try /v1/notes/a:"))
        #expect(try advice("/v1/v1/notes").contains("Try /v1/notes:"))
        #expect(try advice("/api/v1//tags").contains("Try /v1/tags:"))
        #expect(try advice("/numbers") == "There is no GET /numbers.")
    }

    @Test func patternsOverlapWhereAPathIsBoth() {
        let pattern: RoutePattern = "/a/{x}"
        #expect(pattern.overlaps("/a/b") && pattern.overlaps("/{y}/b") && pattern.overlaps("/a/{z}"))
        #expect(!pattern.overlaps("/b/{x}") && !pattern.overlaps("/a") && !pattern.overlaps("/a/b/c"))
        #expect(pattern.description == "/a/{x}")
    }
}
