package import Network

/// The objects of a kind that live on one loop: hosts them, unloads those that are idle, forgets and deletes. Loop-confined.
package final class Residents<Object: Resident> {
    package struct Limits: Sendable {
        /// Bytes of the objects of this loop above which idle ones leave memory.
        package var maxByteCount: Int
        /// How long a stored object stays in memory while it is idle.
        package var residency: Duration
        /// How long an object that is only in memory exists while it is idle.
        package var retention: Duration

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

    package let loop: EventLoop
    package let residency: Residency<Object>
    /// Commits the changes of the objects that are stored; nil: nothing outlives the process.
    package let journal: Journal<Object.Changes>?
    package let memory: LoopMemory
    private let limits: Limits
    private let now: () -> Instant
    var entries: [String: Entry] = [:]
    /// Bytes of the objects.
    package private(set) var byteCount = 0
    private let onForget: ((Object) -> Void)?

    /// How often the objects are swept.
    private static var sweepInterval: Duration { .seconds(5) }

    /// - Parameters:
    ///   - memory: this loop's, shared with the objects of other kinds.
    ///   - onForget: called when an object is deleted, before its followers are told.
    ///   - now: the clock; nil: the loop's. A test has one of its own.
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

    package var count: Int { entries.count }
    package var objects: some Collection<Object> { entries.values.lazy.map(\.object) }

    package subscript(_ id: String) -> Object? { entries[id]?.object }

    /// nil: the object is not here, or not any more.
    package func lifetime(of id: String) -> Lifetime? { entries[id]?.lifetime }

    /// Hosts an object, new or loaded, and makes it findable.
    /// - Parameter ordinal: its position among all objects of its kind by age.
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

    /// The object is not in memory any more: its bytes do not count from now on.
    private func stopCounting(_ object: Object) {
        object.onByteCountChange = nil
        changeByteCount(by: -object.byteCount)
    }

    /// The object is forgotten as soon as it is idle, unless the store has it.
    package func releaseWhenIdle(_ id: String) {
        guard let lifetime = entries[id]?.lifetime, lifetime != .stored else { return }
        entries[id]?.lifetime = .untilIdle
    }

    /// Deletes an object: ends its work and tells its followers.
    package func forget(_ object: Object) {
        guard let entry = remove(object) else { return }
        let isStored = entry.lifetime == .stored
        residency.remove(object.id, aliases: object.aliases, isBeingDeleted: isStored)
        onForget?(object)
        object.close()
        if isStored { object.eraseFromStore { [residency, id = object.id] in residency.deleted([id]) } }
        stopCounting(object)
    }

    /// The store has refused a change of an object: what the store has is what counts.
    package func abandon(_ object: Object) {
        guard remove(object) != nil else { return }
        residency.remove(object.id, aliases: object.aliases, isBeingDeleted: false)
        object.abandon()
        stopCounting(object)
    }

    /// Lets a stored object leave memory; false if it is not committed, or a request may be about to use it.
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

    // MARK: Sweeping

    private func scheduleSweep() {
        loop.schedule(after: Self.sweepInterval) { [weak self] in
            self?.sweep()
            self?.scheduleSweep()
        }
    }

    /// Forgets and unloads the objects that have been idle for long, and announces a stall of the store.
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

    /// The objects are too large together: those that were idle for longest go, to nine tenths, so that this is rare.
    /// - Parameter newcomer: an object that was just inserted: it is idle, but about to be used.
    private func evict(sparing newcomer: Object? = nil) {
        let goal = limits.maxByteCount / 10 * 9
        let idle = entries.values.filter { $0.object.isIdle }.sorted { $0.lastUse < $1.lastUse }
        // The stored ones first: they come back when they are asked for.
        for entry in idle where entry.lifetime == .stored {
            if byteCount <= goal { return }
            unload(entry.object)
        }
        var shares = MemoryShares(entries.values.map { (owner: $0.object.owner, byteCount: $0.object.byteCount) })
        for entry in idle where entry.lifetime != .stored {
            shares.add(entry.object.id, of: entry.object.owner, byteCount: entry.object.byteCount)
        }
        while byteCount > goal, let id = shares.popNext(), let entry = entries[id] {
            // In its place nobody else's goes: if it is idle still, the next sweep finds it.
            if entry.object === newcomer { return }
            forget(entry.object)
        }
    }
}
