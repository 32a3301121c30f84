/// A named speaker in a session.
public struct Participant: Sendable, Hashable {
    /// `part_…`
    public let id: String
    /// The name, shown to the other participants.
    public let name: String

    /// Maximum size of a name, in bytes.
    public static let maxNameBytes = 128

    /// A participant with a new identifier, unless one is given.
    public init(id: String = Identifier.make("part_"), name: String) {
        self.id = id
        self.name = name
    }
}
