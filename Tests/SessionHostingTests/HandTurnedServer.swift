import Foundation
import Glibc
import Hosting
import Logging
import Network
import Sessions
import Synchronization
import Testing

@testable import SessionHosting
@testable import Storage

/// Two loops that the test turns, under a clock that it moves, with the sessions of a server on them and, if it wants, a store that
/// commits when the test says so.
///
/// Nothing happens between two calls, except that the store reads on threads of its own: ``turn(until:)`` waits for that.
final class HandTurnedServer {
    let clock = LoopClock.manual()
    let loops: [EventLoop]
    let store: Store?
    let model = ScriptedModel()
    private let directoryPath: String
    private let hosts: [SessionLoop]

    /// - Parameters:
    ///   - hasStore: whether sessions outlive memory.
    ///   - configure: changes the settings; the bytes of logs in memory are those of both loops together.
    init(hasStore: Bool = true, _ configure: (inout SessionSettings) -> Void = { _ in }) throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        var settings = SessionSettings(
            limits: SessionLimits(), residentLogBytes: hasStore ? 2 << 20 : SessionLimits().maxLogBytes,
            maxLogMemoryBytes: 512 << 20, residency: .seconds(300), retention: .seconds(168 * 3600))
        directoryPath = FileManager.default.temporaryDirectory.appendingPathComponent("hand-turned-\(UUID())").path
        configure(&settings)
        settings.residentLogBytes = min(settings.residentLogBytes, settings.limits.maxLogBytes)
        store =
            hasStore
            ? try Store.open(
                directory: directoryPath, durability: .process, maxTailByteCount: EventTail.maxByteCount, commitsByItself: false,
                logger: logger) : nil
        let clock = clock
        loops = try (0..<2).map { try EventLoop(index: $0, clock: clock, logger: logger) }
        let residency = Residency<Session>(policy: PlacementPolicy(loops: loops), now: { clock.now })
        let budget = MemoryBudget(limitBytes: 1 << 30, loopCount: loops.count)
        let ordinals = SessionOrdinals()
        hosts = loops.map { [loops, model, store, settings] loop in
            loop.enter {
                SessionLoop(
                    loop: loop, model: model, residency: residency, settings: settings,
                    memory: LoopMemory(loop: loop, budget: budget), loopCount: loops.count, store: store, ordinals: ordinals)
            }
        }
    }

    deinit {
        for loop in loops { loop.end() }
        try? FileManager.default.removeItem(atPath: directoryPath)
    }

    // MARK: Time

    /// One iteration of each loop, in their order.
    func turn() {
        for loop in loops { loop.turnOnce() }
    }

    /// Iterations until nothing is left to do: what one loop tells another, and that one answers, has come.
    func turnUntilQuiet() {
        for _ in 0..<32 { turn() }
    }

    /// Waits for what a thread of the store does.
    func turn(until isDone: () -> Bool, sourceLocation: SourceLocation = #_sourceLocation) {
        let deadline = ContinuousClock.now + .seconds(20)
        while !isDone() {
            guard ContinuousClock.now < deadline else {
                Issue.record("it never came", sourceLocation: sourceLocation)
                return
            }
            turn()
            sched_yield()
        }
    }

    /// Moves the clock, and has the loops do what is due then.
    func advance(by duration: Duration) {
        clock.advance(by: duration)
        turn()
    }

    /// Has the store commit what was handed to it until now. The loops hear of it when they turn.
    func commit() { store?.commits.commitNow() }

    /// Commits everything that has happened, and tells the loops.
    func commitAll() {
        turnUntilQuiet()
        commit()
        turnUntilQuiet()
    }

    // MARK: Sessions

    func makeSession(on index: Int = 0, owner: String = "ann", isDurable: Bool = true) -> SessionReference {
        loops[index].enter {
            hosts[index].makeSession(owner: owner, defaults: ResponseParameters(model: "m"), isDurable: isDurable)
        }
    }

    /// Runs `body` with a session, which is in memory, as its loop would.
    @discardableResult
    func on<Result>(_ session: SessionReference, _ body: (Session) throws -> Result) rethrows -> Result {
        try session.loop.enter {
            guard let live = hosts[session.loop.index].session(session.id) else {
                preconditionFailure("the session is not in memory")
            }
            return try body(live)
        }
    }

    /// Submits an input; its answer is the model's newest call.
    @discardableResult
    func submit(
        _ text: String, to session: SessionReference, mode: InterjectionMode? = nil, policy: DisconnectPolicy = .continuing
    ) throws -> ScriptedModel.Call {
        try on(session) { live in
            var submit = SessionCommand.Submit(
                NewItems([.userMessage(text)]), responseID: Identifier.make("resp_"), parameters: .whole(live.defaults))
            submit.mode = mode
            submit.policy = policy
            _ = try live.handle(SessionCommand(.submit(submit))).accepted()
        }
        return try #require(model.calls.last)
    }

    /// Has a model say something, as its upstream's bytes would.
    func say(_ text: String, by call: ScriptedModel.Call, in session: SessionReference) {
        session.loop.enter { call.say(text) }
    }

    func finish(_ call: ScriptedModel.Call, in session: SessionReference) { session.loop.enter { call.finish() } }

    /// A whole exchange.
    func ask(_ question: String, _ answer: String, in session: SessionReference) throws {
        let call = try submit(question, to: session)
        say(answer, by: call, in: session)
        finish(call, in: session)
    }

    func cancel(_ session: SessionReference) throws { try on(session) { _ = try $0.cancel(by: nil) } }
    func delete(_ session: SessionReference) { on(session) { hosts[session.loop.index].forget($0) } }

    /// Sessions in memory, on all loops.
    var residentCount: Int { hosts.reduce(0) { $0 + $1.residents.count } }
    /// Whether a response leads to its session, from memory.
    func isFindable(response id: String) -> Bool { hosts[0].residents.residency.resident(alias: id) != nil }

    func isResident(_ session: SessionReference) -> Bool { hosts[session.loop.index].residents[session.id] != nil }

    /// Brings a session back from the store, to a loop of the test's choice.
    func load(_ id: String, on index: Int) throws -> SessionReference {
        let found = Mutex<Result<Store.LoadedSession?, StorageError>?>(nil)
        let store = try #require(store)
        store.loadSession(id, owner: nil, maxTailBytes: 1 << 20) { result in found.withLock { $0 = result } }
        turn { found.withLock { $0 != nil } }
        let loaded = try #require(try found.withLock { $0 }?.get())
        return try #require(try loops[index].enter { try hosts[index].restore(loaded) })
    }

    // MARK: Readers

    func makeReader(on index: Int = 0, catchUp: CatchUp = .losslessOrClose, pass: AnyObject? = nil) -> RecordingReader {
        loops[index].enter { RecordingReader(loop: loops[index], catchUp: catchUp, pass: pass) }
    }

    /// A reader that has the events after a position.
    func attach(
        _ reader: RecordingReader, to session: SessionReference, after position: Int = 0, listens: Bool = true
    ) throws {
        let cursor = reader.loop.enter { reader.makeCursor(for: session, listens: listens) }
        try on(session) { try $0.attach(cursor.value, after: position) }
    }

    func follow(_ session: SessionReference, on index: Int = 0) throws -> RecordingReader {
        let reader = makeReader(on: index)
        try attach(reader, to: session)
        return reader
    }

    func stop(_ reader: RecordingReader) { reader.loop.enter { reader.stop() } }

    /// Has a paused reader take more.
    func resume(_ reader: RecordingReader, credit: Int?) {
        reader.credit = credit
        reader.loop.enter { reader.resume() }
    }

    // MARK: The stop of the server

    /// Begins to let readers go whose sessions are at rest.
    func drain() { for host in hosts { host.loop.enter { host.residents.drain() } } }

    /// Ends what still runs.
    /// - Parameter close: called on each loop when connections may close.
    func endAll(_ close: @escaping (Int) -> Void) {
        for host in hosts { host.loop.enter { host.residents.endAll { close(host.loop.index) } } }
    }

    var isDrained: Bool { hosts.allSatisfy { host in host.loop.enter { host.isDrained } } }
    var isStalled: Bool { hosts.contains { $0.residents.journal?.isStalled == true } }
}
