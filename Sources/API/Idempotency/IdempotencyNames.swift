import DequeModule
import Storage

/// Idempotency keys with their records, bounded and in memory. Each owner has a share that others cannot take: beyond an owner's
/// bound, its own oldest keys are dropped; beyond the total bound, the oldest of the owners with the most.
package struct IdempotencyNames {
    /// An idempotency key and its owner.
    package struct Name: Hashable, Sendable {
        /// The principal that sent the command.
        package var owner: String
        /// The value of `Idempotency-Key`.
        package var key: String
    }

    /// Bounds of the keys in memory.
    package struct Limits: Sendable {
        /// Maximum number of keys: total, and for one owner.
        package var count = 100_000
        var ownerCount = 50_000
        /// Maximum bytes of stored answers: total, and for one owner.
        var answerBytes = 64 << 20
        var ownerAnswerBytes = 32 << 20
    }

    private struct Entry {
        var record: IdempotencyRecord
        var serial: Int
    }

    private struct Owner {
        /// By age. A key may be listed longer than its entry exists, whose serial number is then another.
        var order: Deque<(key: String, serial: Int)> = []
        var count = 0
        var answerBytes = 0
    }

    let limits: Limits
    private var entries: [Name: Entry] = [:]
    private var owners: [String: Owner] = [:]
    private var responses: [String: Name] = [:]
    /// Keys by the objects that their answers describe or quote.
    private var objects: [String: Set<Name>] = [:]
    private(set) var answerBytes = 0
    private var lastSerial = 0

    init(limits: Limits = Limits()) { self.limits = limits }

    var count: Int { entries.count }

    subscript(name: Name) -> IdempotencyRecord? { entries[name]?.record }

    func name(ofResponse id: String) -> Name? { responses[id] }

    /// Adds a record as the newest.
    /// - Returns: the records dropped to make room.
    mutating func insert(_ record: IdempotencyRecord) -> [IdempotencyRecord] {
        let name = Name(owner: record.owner, key: record.key)
        remove(name)
        lastSerial += 1
        entries[name] = Entry(record: record, serial: lastSerial)
        owners[name.owner, default: Owner()].count += 1
        owners[name.owner]?.order.append((name.key, lastSerial))
        if let id = record.responseID { responses[id] = name }
        weigh(record, name, 1)
        dropStalePlaces(of: name.owner)
        return makeRoom(name.owner)
    }

    /// Replaces the record of a key.
    /// - Returns: the records dropped to make room.
    mutating func update(_ record: IdempotencyRecord) -> [IdempotencyRecord] {
        let name = Name(owner: record.owner, key: record.key)
        guard let old = entries[name]?.record else { return [] }
        weigh(old, name, -1)
        entries[name]?.record = record
        weigh(record, name, 1)
        return makeRoom(name.owner)
    }

    @discardableResult
    mutating func remove(_ name: Name) -> IdempotencyRecord? {
        guard let record = entries.removeValue(forKey: name)?.record else { return nil }
        weigh(record, name, -1)
        if let id = record.responseID { responses[id] = nil }
        owners[name.owner]?.count -= 1
        if owners[name.owner]?.count == 0 { owners[name.owner] = nil }
        return record
    }

    /// Removes keys first used before `time`, at most `limit`.
    /// - Returns: the number of removed keys.
    mutating func removeSome(before time: Int, limit: Int) -> Int {
        var removed = 0
        for owner in owners.keys {
            while removed < limit, let oldest = oldest(of: owner), let record = self[oldest], record.createdAt < time {
                remove(oldest)
                removed += 1
            }
        }
        return removed
    }

    /// Erases the answers that describe or quote deleted objects; the keys stay.
    mutating func erase(_ ids: [String]) {
        for id in ids {
            for name in objects[id] ?? [] {
                guard var record = self[name] else { continue }
                record.erase()
                _ = update(record)
            }
        }
    }

    // MARK: Bookkeeping

    private mutating func weigh(_ record: IdempotencyRecord, _ name: Name, _ sign: Int) {
        let bytes = sign * (record.answer?.count ?? 0)
        answerBytes += bytes
        owners[name.owner]?.answerBytes += bytes
        for id in [record.object, record.quoted] {
            guard let id else { continue }
            if sign > 0 {
                objects[id, default: []].insert(name)
            } else {
                objects[id]?.remove(name)
                if objects[id]?.isEmpty == true { objects[id] = nil }
            }
        }
    }

    private mutating func oldest(of owner: String) -> Name? {
        while let first = owners[owner]?.order.first {
            let name = Name(owner: owner, key: first.key)
            if entries[name]?.serial == first.serial { return name }
            owners[owner]?.order.removeFirst()
        }
        return nil
    }

    /// Keys that are claimed and released repeatedly cost no more than others.
    private mutating func dropStalePlaces(of owner: String) {
        guard let state = owners[owner], state.order.count > 2 * state.count + 32 else { return }
        owners[owner]?.order.removeAll { entries[Name(owner: owner, key: $0.key)]?.serial != $0.serial }
    }

    private mutating func makeRoom(_ owner: String) -> [IdempotencyRecord] {
        var removed: [IdempotencyRecord] = []
        if owners[owner]?.count ?? 0 > limits.ownerCount {
            let goal = Self.goal(limits.ownerCount)
            while owners[owner]?.count ?? 0 > goal, removeOldest(of: owner, &removed) {}
        }
        if owners[owner]?.answerBytes ?? 0 > limits.ownerAnswerBytes {
            let goal = Self.goal(limits.ownerAnswerBytes)
            while owners[owner]?.answerBytes ?? 0 > goal, removeOldest(of: owner, &removed) {}
        }
        if count > limits.count { level(\.count, \.count, to: Self.goal(limits.count), &removed) }
        if answerBytes > limits.answerBytes { level(\.answerBytes, \.answerBytes, to: Self.goal(limits.answerBytes), &removed) }
        return removed
    }

    /// A little below the bound, so that all owners are compared only rarely.
    private static func goal(_ limit: Int) -> Int { limit - limit / 256 }

    private mutating func removeOldest(of owner: String, _ removed: inout [IdempotencyRecord]) -> Bool {
        guard let name = oldest(of: owner), let record = remove(name) else { return false }
        removed.append(record)
        return true
    }

    /// Drops the oldest keys of the owners with more than an even share of the goal, largest owner first.
    private mutating func level(
        _ size: KeyPath<Owner, Int>, _ total: KeyPath<IdempotencyNames, Int>, to goal: Int, _ removed: inout [IdempotencyRecord]
    ) {
        let sizes = owners.map { (owner: $0.key, size: $0.value[keyPath: size]) }.sorted { $0.size > $1.size }
        var rest = goal
        var share = 0
        for (index, one) in sizes.reversed().enumerated() {
            share = rest / (sizes.count - index)
            if one.size > share { break }
            rest -= one.size
        }
        for (owner, _) in sizes {
            while self[keyPath: total] > goal, owners[owner]?[keyPath: size] ?? 0 > share, removeOldest(of: owner, &removed) {}
        }
    }
}
