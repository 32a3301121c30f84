package import Network
import Synchronization

/// Which objects of a kind are in memory, on which loops, under which identifiers; which are being loaded, and which deleted. One
/// for each kind of object, shared by all loops behind one short lock. Safe from any thread.
///
/// ``Residents`` hosts the objects of one loop and registers them here.
package final class Residency<Object: Resident>: Sendable {
    /// A handle to an object.
    package typealias Reference = ObjectReference<Object>
    /// A request that waits for an object to be loaded, on its loop.
    typealias Waiter = LoopBound<(Result<Reference?, LoadFailure>) -> Void>

    private struct Entries {
        var objects: [String: (reference: Reference, lastLookup: Instant)] = [:]
        /// Identifiers of the objects by alias.
        var aliases: [String: String] = [:]
        var loading: [String: [Waiter]] = [:]
        /// Objects that are still in the store but must no longer be loaded.
        var deleting: Set<String> = []

        mutating func lookUp(_ id: String, _ now: Instant) -> Reference? {
            guard let index = objects.index(forKey: id) else { return nil }
            objects.values[index].lastLookup = now
            return objects.values[index].reference
        }

        mutating func remove(_ id: String, _ aliases: [String]) {
            objects[id] = nil
            for alias in aliases { self.aliases[alias] = nil }
        }
    }

    /// Chooses the loops of new and loaded objects.
    package let policy: PlacementPolicy
    private let now: @Sendable () -> Instant
    private let entries = Mutex(Entries())

    /// How long an object stays in memory after its last lookup; a reference will have been used by then.
    package static var lookupGrace: Duration { .seconds(60) }

    /// - Parameter now: the clock; tests provide their own.
    package init(policy: PlacementPolicy, now: @escaping @Sendable () -> Instant = { .monotonicNow }) {
        self.policy = policy
        self.now = now
    }

    // MARK: In memory

    /// The object if it is in memory, whatever its owner.
    package func resident(_ id: String) -> Reference? {
        let now = now()
        return entries.withLock { $0.lookUp(id, now) }
    }

    /// The object with an alias if it is in memory, whatever its owner.
    package func resident(alias: String) -> Reference? {
        let now = now()
        return entries.withLock { entries in entries.aliases[alias].flatMap { entries.lookUp($0, now) } }
    }

    /// An owner's objects that are in memory, newest first.
    package func residents(owner: String) -> [Reference] {
        let own = entries.withLock { entries in entries.objects.values.map(\.reference).filter { $0.owner == owner } }
        return own.sorted { $0.ordinal > $1.ordinal }
    }

    /// The entries of `values` whose objects are in memory. Does not count as a lookup.
    package func present<Value: Sendable>(_ values: [String: Value]) -> [String: Value] {
        entries.withLock { entries in values.filter { entries.objects[$0.key] != nil } }
    }

    /// Registers an alias of an object. No effect if the object is not in memory.
    package func insert(alias: String, of id: String) {
        entries.withLock { entries in
            if entries.objects[id] != nil { entries.aliases[alias] = id }
        }
    }

    /// Removes an alias.
    package func remove(alias: String) {
        entries.withLock { $0.aliases[alias] = nil }
    }

    // MARK: For the loops

    func insert(_ reference: Reference) {
        let now = now()
        entries.withLock { $0.objects[reference.id] = (reference, now) }
    }

    /// - Parameter isBeingDeleted: the object is still in the store; it cannot be found there until ``deleted(_:)``.
    func remove(_ id: String, aliases: [String], isBeingDeleted: Bool) {
        entries.withLock { entries in
            if isBeingDeleted { entries.deleting.insert(id) }
            entries.remove(id, aliases)
        }
    }

    /// Removes an object that has not been looked up for a while; false if it has, and stays.
    func removeIfUnused(_ id: String, aliases: [String]) -> Bool {
        let now = now()
        return entries.withLock { entries in
            if let entry = entries.objects[id], now - entry.lastLookup < Self.lookupGrace { return false }
            entries.remove(id, aliases)
            return true
        }
    }

    // MARK: Deletion

    /// Maximum number of objects that ``beginDeleting(_:limit:)`` may have to skip.
    var busyCount: Int {
        entries.withLock { $0.objects.count + $0.loading.count + $0.deleting.count }
    }

    /// Prevents stored objects from being loaded until ``deleted(_:)``, except those in memory or being loaded.
    /// - Returns: these objects, the first ones up to the limit.
    func beginDeleting(_ ids: [String], limit: Int) -> [String] {
        entries.withLock { entries in
            let free = ids.filter { entries.objects[$0] == nil && entries.loading[$0] == nil && !entries.deleting.contains($0) }
            let chosen = Array(free.prefix(limit))
            entries.deleting.formUnion(chosen)
            return chosen
        }
    }

    /// The store has deleted the objects, or failed to.
    func deleted(_ ids: [String]) {
        entries.withLock { $0.deleting.subtract(ids) }
    }

    // MARK: Loading

    enum Loading {
        case resident(Reference)
        /// The object is being deleted.
        case gone
        /// The caller must load it and call ``endLoading(_:_:)``.
        case mustLoad
        /// An earlier caller is loading it.
        case underWay
    }

    /// Registers the waiter for the object, unless that is in memory or being deleted.
    func beginLoading(_ id: String, _ waiter: Waiter) -> Loading {
        entries.withLock { entries in
            if let entry = entries.objects[id] { return .resident(entry.reference) }
            if entries.deleting.contains(id) { return .gone }
            let isFirst = entries.loading[id] == nil
            entries.loading[id, default: []].append(waiter)
            return isFirst ? .mustLoad : .underWay
        }
    }

    func endLoading(_ id: String, _ result: Result<Reference?, LoadFailure>) {
        for waiter in entries.withLock({ $0.loading.removeValue(forKey: id) }) ?? [] { waiter.run { $0(result) } }
    }
}
