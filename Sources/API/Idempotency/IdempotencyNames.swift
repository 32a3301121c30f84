import DequeModule
import Storage

/// Names of commands with what they stand for, in memory and within bounds. Each owner has a share that others cannot take: beyond a
/// bound of an owner, its own oldest names go; beyond a bound of all, the oldest of those owners that have the most.
package struct IdempotencyNames {
    package struct Name: Hashable, Sendable {
        package var owner: String
        package var key: String
    }

    package struct Limits: Sendable {
        /// Names of all, and of one owner.
        package var count = 100_000
        var ownerCount = 50_000
        /// Bytes of the answers of all, and of one owner.
        var answerBytes = 64 << 20
        var ownerAnswerBytes = 32 << 20
    }

    private struct Entry {
        var record: IdempotencyRecord
        var serial: Int
    }

    private struct Owner {
        /// By age. A name may stand here longer than its entry, whose serial number is then another.
        var order: Deque<(key: String, serial: Int)> = []
        var count = 0
        var answerBytes = 0
    }

    let limits: Limits
    private var entries: [Name: Entry] = [:]
    private var owners: [String: Owner] = [:]
    private var responses: [String: Name] = [:]
    /// By what answers tell of or quote.
    private var objects: [String: Set<Name>] = [:]
    private(set) var answerBytes = 0
    private var lastSerial = 0

    init(limits: Limits = Limits()) { self.limits = limits }

    var count: Int { entries.count }

    subscript(name: Name) -> IdempotencyRecord? { entries[name]?.record }

    func name(ofResponse id: String) -> Name? { responses[id] }

    /// Takes a record in, as the newest.
    /// - Returns: those that had to go for it.
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

    /// Puts a record in the place of that which its name stands for.
    /// - Returns: those that had to go for it.
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

    /// Removes names that were first used before a time, at most so many.
    /// - Returns: how many.
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

    /// What answers tell of is deleted: they go, and the names stay.
    mutating func erase(_ ids: [String]) {
        for id in ids {
            for name in objects[id] ?? [] {
                guard var record = self[name] else { continue }
                record.erase()
                _ = update(record)
            }
        }
    }

    // MARK: Parts

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

    /// Names that are used and let go again and again cost no more than those that stay.
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

    /// A little below the bound: so that it is seldom that all owners are looked at.
    private static func goal(_ limit: Int) -> Int { limit - limit / 256 }

    private mutating func removeOldest(of owner: String, _ removed: inout [IdempotencyRecord]) -> Bool {
        guard let name = oldest(of: owner), let record = remove(name) else { return false }
        removed.append(record)
        return true
    }

    /// Takes the oldest names of those owners that have more than an even share of the goal, from who has most on.
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
