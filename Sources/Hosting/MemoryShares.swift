/// Chooses which idle objects to forget when those in memory are too large together: the oldest of the owner that uses the most
/// memory, so that an owner with many objects does not push out those of others.
struct MemoryShares {
    private var held: [String: Int] = [:]
    /// Objects that may be forgotten, by owner, newest first.
    private var candidates: [String: [(id: String, byteCount: Int)]] = [:]
    private var isReversed = false

    /// - Parameter objects: all objects in memory, including those that must stay.
    init(_ objects: [(owner: String, byteCount: Int)]) {
        for object in objects { held[object.owner, default: 0] += object.byteCount }
    }

    /// Adds an object that may be forgotten; oldest first.
    mutating func add(_ id: String, of owner: String, byteCount: Int) {
        candidates[owner, default: []].append((id, byteCount))
    }

    /// Removes and returns the object to forget next; nil if none is left.
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
