import Glibc

/// The environment variables of a process, or of a test.
struct Environment: Sendable {
    private let lookUp: @Sendable (String) -> String?

    /// This process's environment.
    static let process = Environment { name in getenv(name).map { String(cString: $0) } }

    init(_ variables: [String: String]) { lookUp = { variables[$0] } }
    private init(_ lookUp: @escaping @Sendable (String) -> String?) { self.lookUp = lookUp }

    subscript(name: String) -> String? { lookUp(name) }
}
