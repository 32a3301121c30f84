/// Chooses the idle objects that are forgotten when those in memory are too large together: the oldest of the owner who has the
/// most, so that an owner who makes many does not push out those of others.
struct MemoryShares {
    private var held: [String: Int] = [:]
    /// Objects that may go, by owner, the newest first.
    private var candidates: [String: [(id: String, byteCount: Int)]] = [:]
    private var isReversed = false

    /// - Parameter objects: all that there are, also those that may not go.
    init(_ objects: [(owner: String, byteCount: Int)]) {
        for object in objects { held[object.owner, default: 0] += object.byteCount }
    }

    /// Takes an object that may go, the oldest first.
    mutating func add(_ id: String, of owner: String, byteCount: Int) {
        candidates[owner, default: []].append((id, byteCount))
    }

    /// The object that goes next; nil when none may.
    mutating func popNext() -> String? {
        if !isReversed {
            isReversed = true
            candidates = candidates.mapValues { $0.reversed() }
        }
        guard let owner = candidates.keys.max(by: { (held[$0] ?? 0, $0) < (held[$1] ?? 0, $1) }),
            let object = candidates[owner]?.popLast()
        else { return nil }
        held[owner, default: 0] -= object.byteCount
        if candidates[owner]?.isEmpty ?? true { candidates[owner] = nil }
        return object.id
    }
}
