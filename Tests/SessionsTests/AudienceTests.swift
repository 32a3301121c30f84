import JSON
import Testing

@testable import Sessions

/// An audience alone: a log, its readers, and a delegate that writes down what the session would be told.
@Suite struct AudienceTests {
    private let parts = Parts()
    private var audience: Audience { parts.audience }

    private func reader(listens: Bool = true, after position: Int = 0, credit: Int? = nil) throws -> Recorder {
        let reader = Recorder(listens: listens, catchUp: .losslessOrClose)
        reader.credit = credit
        try audience.attach(reader, after: position)
        return reader
    }

    @Test func aReaderGetsWhatIsThereAndThenWhatComes() throws {
        for _ in 0..<3 { parts.append() }
        let (all, newest) = (try reader(), try reader(after: 2))
        for _ in 0..<2 { parts.append() }
        #expect(all.sequences == [1, 2, 3, 4, 5])
        #expect(newest.sequences == [3, 4, 5])
        #expect(parts.delegate.told == ["attached", "follows", "attached", "follows"])
    }

    @Test func onlyReadersOfOneEncodingPassShareIt() throws {
        let (one, other) = (Parts(), Parts())
        let passes = [one, one, other, nil].map { $0.map { ObjectIdentifier($0) } }
        let readers = try passes.map { pass in
            let reader = Recorder(catchUp: .losslessOrClose, pass: pass)
            try audience.attach(reader, after: 0)
            return reader
        }
        parts.append()
        #expect(readers.map { $0.events.last?.isShared } == [true, true, false, false])
        readers[0].detach()
        parts.append()
        #expect(readers.dropFirst().map { $0.events.last?.isShared } == [false, false, false])
        try audience.attach(readers[0], after: readers[0].position)
        parts.append()
        #expect(readers.map { $0.events.last?.isShared } == [true, true, false, false])
        // Within a delivery, and gone for good.
        readers[1].whenDelivered = { [unowned reader = readers[1]] _ in reader.detach() }
        parts.append()
        parts.append()
        #expect(readers[0].events.count == 5 && readers[0].events.last?.isShared == false)
    }

    @Test func aReaderThatPausesGoesOnWhereItWas() throws {
        let slow = try reader(credit: 2)
        let quick = try reader()
        for _ in 0..<5 { parts.append() }
        #expect(slow.sequences == [1, 2] && slow.state == .paused)
        slow.credit = nil
        slow.resume()
        #expect(slow.sequences == [1, 2, 3, 4, 5] && slow.state == .following)
        #expect(quick.sequences == slow.sequences)
    }

    @Test func nothingComesToOneThatHasLeft() throws {
        let reader = try reader()
        parts.append()
        reader.detach()
        reader.resume()
        parts.append()
        #expect(reader.sequences == [1] && reader.state == .detached)
        #expect(parts.delegate.told == ["attached", "follows", "left"])
        try audience.attach(reader, after: reader.position)
        #expect(reader.sequences == [1, 2])
    }

    @Test func onlyTheLastListenerIsMissed() throws {
        let (one, two, watcher) = (try reader(), try reader(), try reader(listens: false))
        one.detach()
        watcher.detach()
        #expect(!parts.delegate.told.contains("left") && audience.isFollowed)
        two.detach()
        #expect(parts.delegate.told.last == "left" && !audience.isFollowed)
    }

    @Test func oneThatLeavesInTheMiddleOfADeliveryIsMissedAfterIt() throws {
        let (leaving, other) = (try reader(), try reader(listens: false))
        leaving.whenDelivered = { _ in leaving.detach() }
        parts.append()
        #expect(other.sequences == [1])
        #expect(!parts.delegate.told.contains("left") && audience.cursors.count == 2)
        parts.host.advance(by: .zero)
        #expect(parts.delegate.told.last == "left" && audience.cursors.count == 1)
    }

    @Test func oneThatComesBackAndIsRefusedIsMissedAllTheSame() throws {
        let leaving = try reader()
        leaving.whenDelivered = { _ in leaving.detach() }
        parts.append()
        try audience.enter(leaving, after: leaving.position)
        audience.withdraw(leaving)
        parts.host.advance(by: .zero)
        #expect(parts.delegate.told.last == "left" && audience.cursors.isEmpty)
    }

    @Test func oneThatIsRefusedIsNotMissed() throws {
        let newcomer = Recorder(catchUp: .losslessOrClose)
        try audience.enter(newcomer, after: 0)
        audience.withdraw(newcomer)
        parts.host.advance(by: .zero)
        #expect(parts.delegate.told.isEmpty && audience.cursors.isEmpty)
    }

    @Test func aRefusalInTheMiddleOfADeliverySkipsNoReader() throws {
        let (leaving, second, third) = (try reader(), try reader(), try reader())
        leaving.whenDelivered = { _ in leaving.detach() }
        second.whenDelivered = { [audience] _ in
            try? audience.enter(leaving, after: leaving.position)
            audience.withdraw(leaving)
        }
        parts.append()
        #expect(second.sequences == [1] && third.sequences == [1])
    }

    @Test func theStateReplacesWhatIsGone() throws {
        let record = SessionRecord(
            id: "sess_1", owner: "me", createdAt: 1, defaults: ResponseParameters(model: "m"), mode: .queue, policy: .cancel,
            metadata: [:], forkedFrom: nil)
        parts.append()
        parts.delegate.state = SessionState(record, parts.log, parts.conversation, parts.queue, participants: [])
        let reader = Recorder(catchUp: .snapshot)
        try audience.attach(reader, after: 99)
        #expect(reader.snapshots.map(\.sequence) == [1] && reader.events.isEmpty)
        #expect(reader.snapshots[0].state["id"] == "sess_1")
        parts.append()
        #expect(reader.sequences == [2])
    }

    /// Of a log that has none to tell, such as one beside a conversation, a reader is told that it came too late.
    @Test func withoutAStateTheReaderIsLetGo() throws {
        let reader = Recorder(catchUp: .snapshot)
        try audience.attach(reader, after: 99)
        #expect(reader.placeGoneCount == 1 && reader.state == .detached && audience.cursors.isEmpty)
    }

    @Test func thereAreOnlySoManyReaders() throws {
        var limits = SessionLimits()
        limits.maxCursors = 1
        let parts = Parts(limits: limits)
        let reader = Recorder()
        try parts.audience.attach(reader, after: 0)
        #expect(throws: SessionError.self) { try parts.audience.attach(Recorder(), after: 0) }
    }

    @Test func allAreLetGoWithTheSession() throws {
        let reader = try reader()
        audience.dismiss()
        parts.append()
        #expect(reader.sessionClosedCount == 1 && reader.events.isEmpty && reader.state == .detached)
    }

    @Test func theUpstreamWaitsOnlyWhileOneFlows() throws {
        var limits = SessionLimits()
        limits.maxLogBytes = 1000
        let parts = Parts(limits: limits)
        let slow = Recorder()
        slow.credit = 1
        try parts.audience.attach(slow, after: 0)
        for _ in 0..<200 { parts.append() }
        #expect(parts.audience.upstream == .idle && !parts.delegate.told.contains("hold"))
        parts.audience.upstreamChanged(isFlowing: true)
        for _ in 0..<3 { parts.append() }
        #expect(parts.audience.upstream == .held)
        #expect(parts.delegate.told.count { $0 == "hold" } == 1)
        slow.credit = nil
        slow.resume()
        #expect(parts.audience.upstream == .flowing && parts.delegate.told.last == "release")
        parts.audience.upstreamChanged(isFlowing: false)
        #expect(parts.audience.upstream == .idle)
    }
}

/// A log that commits when the test says so.
private final class LateLog: SessionLog {
    var committed = 0
    override var committedPosition: Int { committed }

    func commit(upTo position: Int) {
        let previous = committed
        committed = position
        onCommit?(previous)
    }
}

/// Nothing is delivered before it is committed.
@Suite struct CommittedDeliveryTests {
    private let host = FakeHost()
    private let log = LateLog(maxByteCount: .max)
    private let memory = MemoryTally()
    private let audience: Audience
    private let writer: LogWriter

    init() {
        audience = Audience(of: log, owner: "me", host: host, limits: SessionLimits(), memory: memory)
        writer = LogWriter(log, audience: audience, memory: memory)
    }

    private func append(_ count: Int) { for _ in 0..<count { writer.append(.sessionCreated) { $0.append(counted: "{}") } } }

    @Test func aCommitDeliversEventByEventToAllReaders() throws {
        var order: [String] = []
        let (one, two) = (Recorder(), Recorder())
        one.whenDelivered = { order.append("1:\($0.position)") }
        two.whenDelivered = { order.append("2:\($0.position)") }
        for reader in [one, two] { try audience.attach(reader, after: 0) }
        append(3)
        #expect(order.isEmpty)
        log.commit(upTo: 2)
        #expect(order == ["1:1", "2:1", "1:2", "2:2"])
        log.commit(upTo: 3)
        #expect(one.sequences == [1, 2, 3] && two.sequences == [1, 2, 3])
    }

    @Test func oneThatPausesInTheMiddleOfACommitGetsTheRestLater() throws {
        let (slow, quick) = (Recorder(), Recorder())
        slow.credit = 1
        for reader in [slow, quick] { try audience.attach(reader, after: 0) }
        append(4)
        log.commit(upTo: 3)
        #expect(slow.sequences == [1] && quick.sequences == [1, 2, 3])
        slow.credit = nil
        slow.resume()
        #expect(slow.sequences == [1, 2, 3])
        log.commit(upTo: 4)
        #expect(slow.sequences == [1, 2, 3, 4])
    }

    @Test func oneThatJoinsBeforeTheCommitGetsItOnce() throws {
        append(2)
        log.commit(upTo: 1)
        let reader = Recorder()
        try audience.attach(reader, after: 0)
        #expect(reader.sequences == [1])
        log.commit(upTo: 2)
        #expect(reader.sequences == [1, 2])
    }

    @Test func ofASessionThatIsDeletedNothingNeedBeCommitted() throws {
        let reader = Recorder()
        try audience.attach(reader, after: 0)
        append(2)
        audience.deliverAll()
        #expect(reader.sequences == [1, 2])
    }
}
