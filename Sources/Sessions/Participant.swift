/// Somebody who may speak in a session.
public struct Participant: Sendable, Hashable {
    public let id: String
    public let name: String

    /// Bytes of a name, at most.
    public static let maxNameBytes = 128

    public init(id: String = Identifier.make("part_"), name: String) {
        self.id = id
        self.name = name
    }
}
