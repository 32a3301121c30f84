/// The path of a route: literal segments and parameters, as in `/v1/sessions/{session_id}/events`.
package struct RoutePattern: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
    enum Segment: Sendable, Hashable {
        case literal(String)
        /// Any non-empty text.
        case parameter(String)
    }

    let segments: [Segment]

    /// - Parameter path: begins with a slash; parameters are in braces.
    package init(stringLiteral path: StaticString) { self.init("\(path)") }

    init(_ path: String) {
        // number-safe: routes are written in the source, and made when the server starts
        precondition(path.hasPrefix("/") && !path.hasSuffix("/"), "\(path): a path begins with a slash, and does not end in one")
        segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { segment in
            // number-safe: routes are written in the source, and made when the server starts
            precondition(!segment.isEmpty && segment != "{}", "\(path): a segment is empty")
            guard segment.hasPrefix("{"), segment.hasSuffix("}") else { return .literal(String(segment)) }
            return .parameter(String(segment.dropFirst().dropLast()))
        }
    }

    /// The path as in OpenAPI.
    package var description: String {
        segments.map { segment in
            switch segment {
            case .literal(let text): "/\(text)"
            case .parameter(let name): "/{\(name)}"
            }
        }.joined()
    }

    var parameterCount: Int { parameterPositions.count }

    /// Indices of the parameters among the segments.
    var parameterPositions: [Int] {
        segments.indices.filter { if case .parameter = segments[$0] { true } else { false } }
    }

    /// Whether a path can match both.
    func overlaps(_ other: RoutePattern) -> Bool {
        guard segments.count == other.segments.count else { return false }
        return zip(segments, other.segments).allSatisfy { pair in
            if case (.literal(let own), .literal(let others)) = pair { own == others } else { true }
        }
    }
}

/// The parameters of a matched path, percent-decoded.
struct PathParameters: Sendable {
    let segments: [String]
    let positions: [Int]

    var count: Int { positions.count }
    subscript(index: Int) -> String { segments[positions[index]] }
}
