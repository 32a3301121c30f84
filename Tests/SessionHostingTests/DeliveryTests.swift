import Bytes
import Hosting
import LoopbackServer
import Sessions
import Synchronization
import Testing

@testable import SessionHosting

/// Append, then commit, then deliver: a client sees nothing that a crash could take back.
@Suite(BlockingThread()) struct DeliveryTests {
    @Test(arguments: [0, 1]) func anEventIsDeliveredOnceItIsCommitted(readerLoop: Int) throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        let reader = try server.follow(session, on: readerLoop)
        let call = try server.submit("hello", to: session)
        server.say("hi", by: call, in: session)
        server.turnUntilQuiet()
        #expect(reader.events.isEmpty, "nothing is committed")
        server.commit()
        #expect(reader.events.isEmpty, "the loop has not turned")
        server.turnUntilQuiet()
        #expect(reader.kinds.first == .sessionCreated)
        #expect(reader.kinds.last == .outputTextDelta)
        #expect(reader.isGapless)
    }

    @Test func whatComesDuringACommitWaitsForTheNext() throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        let reader = try server.follow(session)
        let call = try server.submit("hello", to: session)
        server.say("one", by: call, in: session)
        server.turnUntilQuiet()
        server.say(" two", by: call, in: session)
        // It is in no commit yet: its iteration has not ended.
        server.commit()
        server.turnUntilQuiet()
        #expect(reader.text == "one")
        server.commit()
        server.turnUntilQuiet()
        #expect(reader.text == "one two")
        #expect(reader.isGapless)
    }

    @Test func aReaderThatComesBetweenAppendAndCommitGetsNothingUncommitted() throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        let call = try server.submit("hello", to: session)
        server.commitAll()
        let committed = server.on(session) { $0.log.lastPosition }
        server.say("not yet", by: call, in: session)
        let reader = try server.follow(session)
        server.turnUntilQuiet()
        #expect(reader.positions == Array(1...committed))
        server.commitAll()
        #expect(reader.text == "not yet")
        #expect(reader.isGapless)
    }

    @Test func whatIsInMemoryAloneIsDeliveredAtOnce() throws {
        let server = try HandTurnedServer()
        let session = server.makeSession(isDurable: false)
        let reader = try server.follow(session)
        let call = try server.submit("hello", to: session)
        server.say("hi", by: call, in: session)
        #expect(reader.text == "hi")
        #expect(reader.isGapless)
    }

    @Test(.serialized, arguments: [0, 1]) func readersOfALoopShareTheEncodingOfWhatComes(readerLoop: Int) throws {
        let server = try HandTurnedServer()
        let session = server.makeSession(isDurable: false)
        let pass = EncodingPass<CountingEncoder>()
        let readers = (0..<3).map { _ in server.makeReader(on: readerLoop, pass: pass) }
        for reader in readers {
            try server.attach(reader, to: session)
            reader.whenReceived = { _ = pass.bytes(of: $0) }
        }
        server.turnUntilQuiet()
        let call = try server.submit("hello", to: session)
        server.turnUntilQuiet()
        let count = CountingEncoder.count.withLock { count in
            count = 0
            return readers[0].events.count
        }
        // One batch for those on another loop.
        for word in ["one", " two", " three"] { server.say(word, by: call, in: session) }
        server.turnUntilQuiet()
        #expect(readers.allSatisfy { $0.text == "one two three" && $0.isGapless })
        #expect(CountingEncoder.count.withLock { $0 } == readers[0].events.count - count)
    }

    @Test func anAcknowledgementWaitsForItsCommit() throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        var answers: [Bool] = []
        try server.submit("hello", to: session)
        server.on(session) { $0.whenCommitted { answers.append($0) } }
        server.turnUntilQuiet()
        #expect(answers.isEmpty)
        server.commitAll()
        #expect(answers == [true])
    }

    @Test func anAcknowledgementDoesNotWaitForADiskThatHangs() throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        var answers: [Bool] = []
        try server.submit("hello", to: session)
        server.on(session) { $0.whenCommitted { answers.append($0) } }
        server.advance(by: CommitWait.deadline - .milliseconds(1))
        #expect(answers.isEmpty)
        server.advance(by: .milliseconds(1))
        #expect(answers == [false])
        server.commitAll()
        #expect(answers == [false], "told once")
    }

    @Test func thoseWhoListenAreToldThatTheDiskHangs() throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        server.commitAll()
        let (near, far) = (try server.follow(session), try server.follow(session, on: 1))
        try server.submit("hello", to: session)
        server.turnUntilQuiet()
        server.advance(by: .seconds(10))
        server.turnUntilQuiet()
        #expect(!server.isStalled)
        #expect(near.stallCount == 0)
        server.advance(by: .seconds(20))
        server.turnUntilQuiet()
        #expect(server.isStalled)
        #expect(near.stallCount == 1 && far.stallCount == 1)
        server.commitAll()
        #expect(!server.isStalled)
        #expect(near.isGapless && far.isGapless)
        #expect(near.agrees(with: far))
    }

    @Test func anUpstreamWaitsForADiskThatFallsBehind() throws {
        let server = try HandTurnedServer { $0.limits.maxOutputBytes = 64 << 20 }
        let session = server.makeSession()
        let reader = try server.follow(session)
        let call = try server.submit("hello", to: session)
        let piece = String(repeating: "x", count: 1 << 20)
        for _ in 0..<15 { server.say(piece, by: call, in: session) }
        server.turnUntilQuiet()
        #expect(!call.isPaused)
        for _ in 0..<3 { server.say(piece, by: call, in: session) }
        server.turnUntilQuiet()
        #expect(call.isPaused)
        #expect(reader.events.isEmpty)
        server.commitAll()
        #expect(!call.isPaused)
        #expect(reader.text.utf8.count == 18 << 20)
        #expect(reader.isGapless)
    }
}

/// Writes the event as in the log, and counts.
private enum CountingEncoder: EventEncoder {
    static let count = Mutex(0)

    static func append(_ event: SessionEvent, to output: inout ByteBuffer) {
        count.withLock { $0 += 1 }
        event.withEncoded { output.append($0) }
    }

    static func byteCount(of event: SessionEvent) -> Int { event.byteCount }
}
