import Foundation
import Hosting
import JSON
import Logging
import Sessions
import Testing

@testable import Network
@testable import SessionHosting

/// Commands on their way to a session and back, on loops that the test turns by hand.
@Suite struct SessionReferenceTests {
    private static func makeLoop(_ index: Int) throws -> EventLoop {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try EventLoop(index: index, logger: logger)
    }

    /// A session whose log is committed when the test says so, on a loop of its own. Used on one thread only.
    private final class Setup: @unchecked Sendable {
        let loop: EventLoop
        let host = StillHost()
        let log = HeldLog()
        let session: Session
        let reference: SessionReference

        /// - Parameter isCommitted: whether the making of the session is.
        init(isCommitted: Bool = true) throws {
            loop = try SessionReferenceTests.makeLoop(0)
            session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), log: log)
            if isCommitted { log.commit() }
            reference = SessionReference(session, on: loop)
        }

        deinit {
            loop.stop()
            loop.run()
        }

        /// Runs code on the session's loop.
        func onLoop(_ body: @escaping @Sendable () -> Void) {
            loop.execute(body)
            loop.turnOnce()
        }
    }

    private static let item = Item(id: "a", body: ["type": "message", "role": "user", "content": "a"])
    private static let addItem = SessionCommand.Kind.addItems(NewItems([item]))

    /// What came of commands, in their order. Used on one thread only.
    private final class Outcomes: @unchecked Sendable {
        var list: [SessionOutcome] = []
    }

    @Test func onItsOwnLoopASessionAnswersWithinTheCall() throws {
        let setup = try Setup()
        let (reference, loop) = (setup.reference, setup.loop)
        let outcomes = Outcomes()
        setup.onLoop {
            reference.perform(.measurePrompt(upTo: nil), from: loop) { outcomes.list.append($0) }
            #expect(outcomes.list == [.byteCount(0)])
        }
        #expect(outcomes.list == [.byteCount(0)])
    }

    @Test func fromAnotherLoopTheAnswerComesBackThere() throws {
        let setup = try Setup()
        let other = try Self.makeLoop(1)
        let reference = setup.reference
        let outcomes = Outcomes()
        other.execute {
            reference.perform(.measurePrompt(upTo: nil), from: other) {
                #expect(other.isCurrent)
                outcomes.list.append($0)
            }
        }
        other.turnOnce()
        #expect(outcomes.list.isEmpty)
        setup.loop.turnOnce()
        #expect(outcomes.list.isEmpty)
        other.turnOnce()
        #expect(outcomes.list == [.byteCount(0)])
        other.stop()
        other.run()
    }

    @Test func anAnswerWaitsForTheCommit() throws {
        let setup = try Setup()
        let (reference, loop) = (setup.reference, setup.loop)
        let outcomes = Outcomes()
        setup.onLoop { reference.perform(Self.addItem, from: loop) { outcomes.list.append($0) } }
        #expect(outcomes.list.isEmpty && setup.session.items == [Self.item])
        setup.log.commit()
        #expect(outcomes.list.count == 1 && outcomes.list.first?.isRefusal == false)
        // The deadline of the wait is over, too.
        setup.host.runTimers()
        #expect(outcomes.list.count == 1 && setup.session.items == [Self.item])
    }

    @Test func aCommandThatIsNotCommittedInTimeIsWithdrawn() throws {
        let setup = try Setup()
        let (reference, loop) = (setup.reference, setup.loop)
        let outcomes = Outcomes()
        setup.onLoop { reference.perform(Self.addItem, from: loop) { outcomes.list.append($0) } }
        setup.host.runTimers()
        #expect(outcomes.list == [.refused(.notCommitted)])
        #expect(setup.session.items.isEmpty)
        // The disk takes it after all: the sender was told what it was told.
        setup.log.commit()
        #expect(outcomes.list.count == 1 && setup.session.items.isEmpty && setup.host.forgottenIDs.isEmpty)
    }

    @Test func anInputThatIsNotCommittedIsWithdrawnAndItsReaderLetGo() throws {
        let setup = try Setup()
        let (reference, loop) = (setup.reference, setup.loop)
        let outcomes = Outcomes()
        let reader = LoopBound(transferring: CountingReader(loop: loop, catchUp: .losslessOrClose), to: loop)
        var submit = SessionCommand.Submit(
            NewItems([Self.item]), responseID: "resp_1", parameters: .whole(ResponseParameters(model: "m")))
        submit.mode = .queue
        setup.onLoop { [submit] in
            reference.perform(.submit(submit), reader: reader.value, from: loop) { outcomes.list.append($0) }
        }
        #expect(setup.session.active?.id == "resp_1" && setup.session.cursorCount == 1)
        setup.onLoop { setup.host.runTimers() }
        #expect(outcomes.list == [.refused(.notCommitted)])
        #expect(setup.session.active == nil && setup.session.generations.isEmpty && setup.session.items.isEmpty)
        #expect(setup.session.cursorCount == 0)
        setup.onLoop { #expect(!reader.value.isReading) }
    }

    @Test func aRefusalIsToldAtOnceAndStopsTheReader() throws {
        let setup = try Setup()
        let (reference, loop) = (setup.reference, setup.loop)
        let outcomes = Outcomes()
        setup.onLoop {
            // Something waits to be committed: a refusal does not wait with it.
            reference.perform(.setMetadata(["a": "b"]), from: loop) { outcomes.list.append($0) }
            let reader = CountingReader(loop: loop, catchUp: .losslessOrClose)
            reference.perform(.follow(.endOfResponse(id: "resp_9")), reader: reader, from: loop) { outcomes.list.append($0) }
            #expect(outcomes.list == [.refused(.responseNotFound("resp_9"))] && !reader.isReading)
        }
    }

    @Test func aSessionOfWhichNothingWasCommittedIsForgotten() throws {
        let setup = try Setup(isCommitted: false)
        let (reference, loop) = (setup.reference, setup.loop)
        let outcomes = Outcomes()
        setup.onLoop { reference.perform(.readState, from: loop) { outcomes.list.append($0) } }
        setup.host.runTimers()
        #expect(outcomes.list == [.refused(.notCommitted)] && setup.host.forgottenIDs == [reference.id])
    }

    @Test func onItsOwnLoopEventsComeBeforeTheOutcomeOfTheirCommand() throws {
        let setup = try Setup()
        let (reference, loop) = (setup.reference, setup.loop)
        let outcomes = Outcomes()
        setup.onLoop {
            let reader = CountingReader(loop: loop, catchUp: .losslessOrClose)
            reference.perform(.follow(.after(.start)), reader: reader, from: loop) {
                #expect(reader.count == 1)
                outcomes.list.append($0)
            }
            reader.stop()
        }
        #expect(outcomes.list == [.following(.begun)] && setup.session.cursorCount == 0)
    }

    @Test func aReaderOnAnotherLoopGetsTheEventsThere() throws {
        let setup = try Setup()
        let other = try Self.makeLoop(1)
        let reference = setup.reference
        let reader = LoopBound(transferring: CountingReader(loop: other, catchUp: .losslessOrClose), to: other)
        let outcomes = Outcomes()
        other.execute { reference.perform(.follow(.after(.start)), reader: reader.value, from: other) { outcomes.list.append($0) } }
        for _ in 0..<4 {
            other.turnOnce()
            setup.loop.turnOnce()
        }
        #expect(outcomes.list == [.following(.begun)])
        other.execute {
            #expect(reader.value.count == 1)
            reader.value.stop()
        }
        other.turnOnce()
        setup.loop.turnOnce()
        #expect(setup.session.cursorCount == 0)
        other.stop()
        other.run()
    }

    @Test func fromAnotherLoopTheEventsOfAnInputComeBeforeItsOutcome() throws {
        let setup = try Setup()
        let other = try Self.makeLoop(1)
        let reference = setup.reference
        let reader = LoopBound(transferring: CountingReader(loop: other, catchUp: .losslessOrClose), to: other)
        let outcomes = Outcomes()
        let submit = SessionCommand.Submit(
            NewItems([Self.item]), responseID: "resp_1", parameters: .whole(ResponseParameters(model: "m")))
        other.execute {
            reference.perform(.submit(submit), reader: reader.value, from: other) { outcome in
                #expect(reader.value.count > 1)
                outcomes.list.append(outcome)
            }
        }
        for _ in 0..<4 {
            other.turnOnce()
            setup.loop.turnOnce()
        }
        setup.loop.execute { setup.log.commit() }
        for _ in 0..<4 {
            setup.loop.turnOnce()
            other.turnOnce()
        }
        #expect(outcomes.list.count == 1 && outcomes.list.first?.isRefusal == false)
        other.stop()
        other.run()
    }

    @Test func pagesOfEventsComeWithinTheCall() throws {
        let setup = try Setup()
        let (reference, loop) = (setup.reference, setup.loop)
        setup.onLoop {
            nonisolated(unsafe) var count = 0
            reference.readEvents(after: .start, limit: 10, mergesDeltas: false, from: loop) { result in
                if case .success(.events(let events, upTo: _, hasMore: false)) = result { count = events.count }
            }
            #expect(count == 1)
        }
    }

    @Test func aTaskAwaitsTheOutcome() async throws {
        let loop = try Self.makeLoop(0)
        let host = StillHost()
        let session = Session(id: "sess_1", owner: "me", host: host, defaults: ResponseParameters(model: "m"))
        let reference = SessionReference(session, on: loop)
        Thread.detachNewThread { loop.run() }
        #expect(await reference.send(.measurePrompt(upTo: nil)) == .byteCount(0))
        loop.stop()
    }
}

extension SessionReference {
    /// To a session that no loop hosts.
    fileprivate init(_ session: sending Session, on loop: EventLoop) {
        let (id, owner) = (session.id, session.owner)
        self.init(
            ObjectReference(
                id: id, owner: owner, placement: .loop(LoopBound(transferring: session, to: loop)), ordinal: 1,
                isStored: false))
    }
}

/// A reader that counts.
private final class CountingReader: EventReader {
    private(set) var count = 0

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        count += 1
        return .more
    }
}

/// A log that is committed when the test says so.
private final class HeldLog: SessionLog {
    private var committed = 0
    private var actions: [() -> Void] = []
    private var hasUncommitted = false

    init() { super.init(maxByteCount: .max) }

    override var committedPosition: Int { committed }
    override func appended(_ event: SessionEvent) { hasUncommitted = true }
    override func store(_ change: SessionChange) { hasUncommitted = true }
    override func whenCommitted(_ action: @escaping () -> Void) {
        if hasUncommitted { actions.append(action) } else { action() }
    }

    func commit() {
        let previous = committed
        committed = lastPosition
        hasUncommitted = false
        if previous < committed { onCommit?(previous) }
        let due = actions
        actions = []
        for action in due { action() }
    }
}

/// A host whose clock stands still. Used on one thread only.
private final class StillHost: SessionHost, @unchecked Sendable {
    private var timers: [Int: () -> Void] = [:]
    private var timerCount = 0
    private(set) var forgottenIDs: [String] = []

    let unixTime = 1_700_000_000
    let model: any Model = SilentModel()

    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void {
        timerCount += 1
        let id = timerCount
        timers[id] = action
        return { self.timers[id] = nil }
    }

    func runTimers() {
        let due = timers
        timers = [:]
        for (_, action) in due.sorted(by: { $0.key < $1.key }) { action() }
    }

    func forget(_ session: Session) { forgottenIDs.append(session.id) }
    func interrupted(_ generation: Generation) {}
}

/// A model that says nothing.
private struct SilentModel: Model {
    private final class Call: ModelCall {
        func cancel() {}
        func pause() {}
        func resume() {}
    }

    func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall { Call() }
}
