package import Network

/// The objects of a kind that live on one loop: hosts them, unloads and forgets idle ones, deletes them. Loop-confined.
package final class Residents<Object: Resident> {
    /// When idle objects leave memory.
    package struct Limits: Sendable {
        /// Total size of this loop's objects above which idle ones leave memory, in bytes.
        package var maxByteCount: Int
        /// How long an idle stored object stays in memory.
        package var residency: Duration
        /// How long an idle object that is in memory only exists.
        package var retention: Duration

        /// Limits for the objects of one loop.
        package init(maxByteCount: Int, residency: Duration, retention: Duration) {
            self.maxByteCount = maxByteCount
            self.residency = residency
            self.retention = retention
        }
    }

    struct Entry {
        let object: Object
        var lifetime: Lifetime
        /// When it was last seen in use.
        var lastUse: Instant
    }

    /// The loop that hosts the objects.
    package let loop: EventLoop
    /// The registry of all loops' objects.
    package let residency: Residency<Object>
    /// Commits the changes of stored objects; nil if objects exist in memory only.
    package let journal: Journal<Object.Changes>?
    /// The loop's share of the memory budget.
    package let memory: LoopMemory
    private let limits: Limits
    private let now: () -> Instant
    var entries: [String: Entry] = [:]
    /// Total size of the objects, in bytes.
    package private(set) var byteCount = 0
    private let onForget: ((Object) -> Void)?

    /// How often the objects are swept.
    private static var sweepInterval: Duration { .seconds(5) }

    /// - Parameters:
    ///   - memory: this loop's share, common to all kinds of objects.
    ///   - onForget: called when an object is deleted, before its followers are notified.
    ///   - now: the clock; nil for the loop's. Tests provide their own.
    package init(
        loop: EventLoop, residency: Residency<Object>, journal: Journal<Object.Changes>?, memory: LoopMemory, limits: Limits,
        onForget: ((Object) -> Void)? = nil, now: (() -> Instant)? = nil
    ) {
        self.loop = loop
        self.residency = residency
        self.journal = journal
        self.memory = memory
        self.limits = limits
        self.onForget = onForget
        self.now = now ?? { loop.now }
        scheduleSweep()
    }

    // MARK: The objects

    /// Number of objects.
    package var count: Int { entries.count }
    /// The objects, in no particular order.
    package var objects: some Collection<Object> { entries.values.lazy.map(\.object) }

    /// The object with an identifier, if it is on this loop.
    package subscript(_ id: String) -> Object? { entries[id]?.object }

    /// How long an object exists; nil if it is not, or no longer, on this loop.
    package func lifetime(of id: String) -> Lifetime? { entries[id]?.lifetime }

    /// Hosts a new or loaded object and registers it.
    /// - Parameter ordinal: index among all objects of its kind by age.
    package func insert(_ object: Object, ordinal: Int, lifetime: Lifetime) -> ObjectReference<Object> {
        changeByteCount(by: object.byteCount)
        object.onByteCountChange = { [weak self] change in self?.changeByteCount(by: change) }
        entries[object.id] = Entry(object: object, lifetime: lifetime, lastUse: now())
        let reference = ObjectReference(
            id: object.id, owner: object.owner, placement: .loop(LoopBound(object, on: loop)), ordinal: ordinal,
            isStored: lifetime == .stored)
        residency.insert(reference)
        if byteCount > limits.maxByteCount { evict(sparing: object) }
        return reference
    }

    private func changeByteCount(by change: Int) {
        byteCount += change
        memory.grew(by: change)
    }

    /// Stops counting the bytes of an object that leaves memory.
    private func stopCounting(_ object: Object) {
        object.onByteCountChange = nil
        changeByteCount(by: -object.byteCount)
    }

    /// Makes an object be forgotten as soon as it is idle, unless it is stored.
    package func releaseWhenIdle(_ id: String) {
        guard let lifetime = entries[id]?.lifetime, lifetime != .stored else { return }
        entries[id]?.lifetime = .untilIdle
    }

    /// Deletes an object: ends its work and notifies its followers.
    package func forget(_ object: Object) {
        guard let entry = remove(object) else { return }
        let isStored = entry.lifetime == .stored
        residency.remove(object.id, aliases: object.aliases, isBeingDeleted: isStored)
        onForget?(object)
        object.close()
        if isStored { object.eraseFromStore { [residency, id = object.id] in residency.deleted([id]) } }
        stopCounting(object)
    }

    /// Drops an object of which the store has refused a change: the stored state counts.
    package func abandon(_ object: Object) {
        guard remove(object) != nil else { return }
        residency.remove(object.id, aliases: object.aliases, isBeingDeleted: false)
        object.abandon()
        stopCounting(object)
    }

    /// Unloads a stored object; false if it is not committed, or a request may be about to use it.
    @discardableResult
    private func unload(_ object: Object) -> Bool {
        guard object.isCommitted, residency.removeIfUnused(object.id, aliases: object.aliases) else { return false }
        entries[object.id] = nil
        object.unload()
        stopCounting(object)
        return true
    }

    private func remove(_ object: Object) -> Entry? {
        guard entries[object.id]?.object === object else { return nil }
        return entries.removeValue(forKey: object.id)
    }

    // MARK: Sweeps

    private func scheduleSweep() {
        loop.schedule(after: Self.sweepInterval) { [weak self] in
            self?.sweep()
            self?.scheduleSweep()
        }
    }

    /// Forgets and unloads objects that have been idle for long, and announces a stall of the store.
    func sweep() {
        let now = now()
        for (id, entry) in entries {
            if !entry.object.isIdle {
                entries[id]?.lastUse = now
                continue
            }
            switch entry.lifetime {
            case .untilIdle: forget(entry.object)
            case .inMemory: if now - entry.lastUse >= limits.retention { forget(entry.object) }
            case .stored: if now - entry.lastUse >= limits.residency { unload(entry.object) }
            }
        }
        if journal?.isStalled == true {
            for entry in entries.values where entry.lifetime == .stored {
                if !entry.object.isCommitted { entry.object.announceStall() }
            }
        }
        if byteCount > limits.maxByteCount { evict() }
        memory.report()
    }

    /// Unloads and forgets the objects that have been idle for longest if all are too large together; down to nine tenths of the
    /// limit, so that this is rare.
    /// - Parameter newcomer: an object that was just inserted: idle, but about to be used.
    private func evict(sparing newcomer: Object? = nil) {
        let goal = limits.maxByteCount / 10 * 9
        let idle = entries.values.filter { $0.object.isIdle }.sorted { $0.lastUse < $1.lastUse }
        // Stored objects first: they can be loaded again.
        for entry in idle where entry.lifetime == .stored {
            if byteCount <= goal { return }
            unload(entry.object)
        }
        var shares = MemoryShares(entries.values.map { (owner: $0.object.owner, byteCount: $0.object.byteCount) })
        for entry in idle where entry.lifetime != .stored {
            shares.add(entry.object.id, of: entry.object.owner, byteCount: entry.object.byteCount)
        }
        while byteCount > goal, let id = shares.popNext(), let entry = entries[id] {
            // No other object goes instead of the newcomer: if it stays idle, the next sweep finds it.
            if entry.object === newcomer { return }
            forget(entry.object)
        }
    }
}
