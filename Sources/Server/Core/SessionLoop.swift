import JSON
import Jobs
import Logging
import Network
import ResponsesWire
import Sessions
import Storage
import WebSocket

/// The sessions of one event loop: makes them, hosts them, forgets them. Loop-confined.
final class SessionLoop: SessionHost {
    let loop: EventLoop
    let model: any Model
    let directory: SessionDirectory
    let configuration: ServerConfiguration
    private let budget: MemoryBudget
    /// nil: nothing outlives the process.
    let journal: SessionJournal?
    private let ordinals: SessionOrdinals
    /// Faces and sessions of this loop count here.
    var counters = ServerCounters()
    /// Encodes events of this loop's sessions for readers of the Responses vocabulary.
    let responsesPass = EncodingPass<ResponsesEncoder>()
    /// Who pays for what ends here.
    var metering: Metering?
    /// Who holds answers that tell of sessions.
    var idempotency: IdempotencyKeys?
    /// Those that want to know when responses of this loop begin and end, besides the loop itself.
    private var listeners: [any GenerationListener] = []
    /// Bytes that the logs of this loop may have: its share of all.
    private let maxLogBytes: Int
    var residents: [String: Resident] = [:]
    private(set) var logBytes = 0
    private var toldBytes = 0

    struct Resident {
        let session: Session
        /// Whether it is forgotten as soon as nothing runs and nobody reads (`store: false`).
        var isEphemeral: Bool
        /// Whether it is kept in the store: what goes from memory comes back when it is asked for.
        let log: DurableLog?
        /// When it was last seen with something running or somebody reading.
        var lastUse: Instant
    }

    /// How often sessions are looked over.
    private static let sweepInterval = Duration.seconds(5)

    init(
        loop: EventLoop, model: any Model, directory: SessionDirectory, configuration: ServerConfiguration, loopCount: Int,
        budget: MemoryBudget, store: Store?, ordinals: SessionOrdinals
    ) {
        journal = store.map { SessionJournal(loop: loop, store: $0) }
        self.ordinals = ordinals
        self.loop = loop
        self.model = model
        self.directory = directory
        self.configuration = configuration
        self.budget = budget
        maxLogBytes = configuration.maxLogMemoryBytes / loopCount
        scheduleSweep()
    }

    // MARK: Sessions

    /// - Parameters:
    ///   - isEphemeral: it is forgotten as soon as nothing runs and nobody reads.
    ///   - isDurable: it is kept in the store, if there is one; not if it is ephemeral.
    func makeSession(
        id: String = Identifier.make("sess_"), owner: String, defaults: ResponseParameters, mode: InterjectionMode = .interrupt,
        policy: DisconnectPolicy = .continuing, metadata: JSONValue = [:], isEphemeral: Bool = false, isDurable: Bool = true
    ) -> SessionReference {
        makeResident(
            id: id, owner: owner, defaults: defaults, mode: mode, policy: policy, metadata: metadata, isEphemeral: isEphemeral,
            isDurable: isDurable
        ).reference
    }

    /// As ``makeSession(id:owner:defaults:mode:policy:metadata:isEphemeral:isDurable:)``; the session itself is for this loop alone.
    /// - Parameter forking: the response that it goes on from, and the conversation that it begins with.
    func makeResident(
        id: String = Identifier.make("sess_"), owner: String, defaults: ResponseParameters, mode: InterjectionMode = .interrupt,
        policy: DisconnectPolicy = .continuing, metadata: JSONValue = [:], isEphemeral: Bool, isDurable: Bool,
        forking: (generation: Generation, items: [Item])? = nil
    ) -> (session: Session, reference: SessionReference) {
        let ordinal = ordinals.next()
        let log = isDurable && !isEphemeral ? journal.map { makeLog($0, ordinal: ordinal) } : nil
        let session = Session(
            id: id, owner: owner, host: self, defaults: defaults, mode: mode, policy: policy, metadata: metadata, forking: forking,
            limits: configuration.sessionLimits, log: log)
        return (session, house(session, log, ordinal: ordinal, isEphemeral: isEphemeral))
    }

    /// Brings a session back from the store; what had not ended in it goes on.
    /// - Throws: what of it cannot be read.
    func restore(_ loaded: Store.LoadedSession) throws -> SessionReference? {
        guard let journal else { return nil }
        let log = DurableLog(journal: journal, restoring: loaded, maxBytes: configuration.residentLogBytes)
        let session = try Session(restoring: loaded.session, host: self, log: log, limits: configuration.sessionLimits)
        let reference = house(session, log, ordinal: loaded.ordinal, isEphemeral: false)
        for generation in session.generations {
            directory.insert(response: generation.id, sessionID: session.id)
            if !generation.status.isTerminal, let keyID = generation.keyID {
                metering?.resume(generation.id, owner: session.owner, keyID: keyID, now: loop.now)
            }
        }
        session.recover()
        return reference
    }

    private func makeLog(_ journal: SessionJournal, ordinal: Int) -> DurableLog {
        DurableLog(journal: journal, key: journal.makeKey(), ordinal: ordinal, maxBytes: configuration.residentLogBytes)
    }

    private func house(_ session: Session, _ log: DurableLog?, ordinal: Int, isEphemeral: Bool) -> SessionReference {
        logBytes += session.byteCount
        session.onAppend = { [weak self] change in self?.logGrew(by: change) }
        residents[session.id] = Resident(session: session, isEphemeral: isEphemeral, log: log, lastUse: loop.now)
        log?.header = { [weak session] ordinal in session?.header(ordinal) }
        log?.onLoss = { [weak self, weak session] in session.map { self?.abandon($0) } }
        let reference = SessionReference(
            LoopBound(session, on: loop), id: session.id, owner: session.owner, ordinal: ordinal)
        directory.insert(reference)
        if logBytes > maxLogBytes { evict() }
        return reference
    }

    /// Deletes a session: cancels what runs and tells those who follow.
    func forget(_ session: Session) {
        guard let resident = residents.removeValue(forKey: session.id) else { return }
        let id = session.id
        directory.remove(id, responses: session.generations.map(\.id), isBeingDeleted: resident.log != nil)
        idempotency?.erase([id])
        session.close()
        if let log = resident.log {
            log.delete()
            log.whenCommitted { [directory] in directory.deleted([id]) }
        }
        session.onAppend = nil
        logBytes -= session.byteCount
    }

    /// Lets a session go from memory that the store has; false if somebody may be about to use it.
    private func unload(_ resident: Resident) -> Bool {
        let session = resident.session
        guard resident.log?.isSettled == true,
            directory.removeIfUnused(session.id, responses: session.generations.map(\.id))
        else { return false }
        residents[session.id] = nil
        session.unload()
        session.onAppend = nil
        logBytes -= session.byteCount
        return true
    }

    /// The store has refused something of a session: what it has is what counts.
    private func abandon(_ session: Session) {
        guard residents.removeValue(forKey: session.id) != nil else { return }
        directory.remove(session.id, responses: session.generations.map(\.id), isBeingDeleted: false)
        session.abandon()
        session.onAppend = nil
        logBytes -= session.byteCount
    }

    /// The connection that a session was kept for is gone: it is forgotten once nothing runs and nobody reads.
    func release(_ id: String) {
        // What is kept is not the connection's.
        guard residents[id]?.log == nil else { return }
        residents[id]?.isEphemeral = true
    }

    // MARK: Counts

    var activeCount: Int { activeCount(besides: []) }
    /// - Parameter ids: of sessions that do not count.
    func activeCount(besides ids: Set<String>) -> Int {
        residents.values.count { $0.session.isGenerating && !ids.contains($0.session.id) }
    }
    var queuedCount: Int { residents.values.reduce(0) { $0 + $1.session.waitingCount } }
    var sessionCount: Int { residents.count }

    // MARK: Memory

    private func logGrew(by change: Int) {
        logBytes += change
        // number-safe: both count bytes in memory
        if abs(logBytes - toldBytes) >= MemoryBudget.tellingByteCount { tellBudget() }
    }

    func tellBudget() {
        toldBytes = logBytes
        budget.tell(logBytes + loop.queuedOutputBytes + loop.heldInputBytes, loop: loop.index)
    }

    /// Whether so much is held for clients that nothing new may begin.
    func isOverloaded() -> Bool {
        tellBudget()
        guard budget.isExceeded else { return false }
        counters.overloads += 1
        return true
    }

    // MARK: Retention

    private func scheduleSweep() {
        loop.schedule(after: Self.sweepInterval) { [weak self] in
            self?.sweep()
            self?.scheduleSweep()
        }
    }

    private func sweep() {
        let now = loop.now
        for (id, resident) in residents {
            if !resident.session.isIdle {
                residents[id]?.lastUse = now
            } else if resident.isEphemeral || resident.log == nil && now - resident.lastUse >= configuration.retention {
                forget(resident.session)
            } else if resident.log != nil, now - resident.lastUse >= configuration.residency {
                _ = unload(resident)
            }
        }
        if journal?.isStalled == true {
            for resident in residents.values where resident.log?.isSettled == false { resident.session.announceStall() }
        }
        if logBytes > maxLogBytes { evict() }
        tellBudget()
    }

    /// The logs are too large together: the sessions that were idle for longest go, to nine tenths, so that this is rare.
    private func evict() {
        let goal = maxLogBytes / 10 * 9
        let idle = residents.values.filter(\.session.isIdle).sorted { $0.lastUse < $1.lastUse }
        // What comes back when it is asked for goes first.
        for resident in idle where resident.log != nil {
            if logBytes <= goal { return }
            _ = unload(resident)
        }
        var shares = MemoryShares(residents.values.map { (owner: $0.session.owner, byteCount: $0.session.byteCount) })
        for resident in idle where resident.log == nil {
            shares.add(resident.session.id, of: resident.session.owner, byteCount: resident.session.byteCount)
        }
        while logBytes > goal, let id = shares.popNext() { if let resident = residents[id] { forget(resident.session) } }
    }

    // MARK: SessionHost

    var unixTime: Int { loop.unixTime }

    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void {
        let timer = loop.schedule(after: delay, action)
        return { timer.cancel() }
    }

    func compute<Value: Sendable>(
        for owner: String, _ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void
    ) {
        WorkerPool.shared.run(for: owner, on: loop, work, then: then)
    }

    /// The upstream is closed; the acknowledgement leaves at the end of this turn, which began when the command came.
    func interrupted(_ generation: Generation) {
        let came = loop.now
        loop.afterFlush { [weak self] in
            guard let self else { return }
            self.counters.interruptLatency.record(self.loop.clock.now - came)
        }
    }

    func forgot(responseID: String) { directory.remove(response: responseID) }

    var generationListeners: [any GenerationListener] { [self] + listeners }

    /// Has a listener told of the responses of all sessions of this loop, behind those that were added before.
    func add(listener: any GenerationListener) { listeners.append(listener) }

    /// Whether a session can be asked for after its connection is gone.
    func isStored(_ sessionID: String) -> Bool { residents[sessionID]?.isEphemeral == false }

    func applied(_ policy: QueuePolicy, toEvents count: Int) { counters.countCatchUp(policy, events: count) }
}

/// The loop's own count and log.
extension SessionLoop: GenerationListener {
    func ended(_ generation: Generation) {
        counters.countEnd(of: generation)
        log(
            "response ended", generation,
            ["status": "\(generation.status.name)", "events": .stringConvertible(generation.eventCount)])
    }
}
