import LoopbackServer
import Network
import Sessions
import Testing

@testable import SessionHosting

/// A disconnect is not a cancel: what becomes of an answer that nobody reads any more is its own policy's to say.
@Suite(BlockingThread()) struct DisconnectTests {
    private static let grace = Duration.seconds(30)

    private struct Scene {
        let server: HandTurnedServer
        let session: SessionReference
        let reader: RecordingReader
        let call: ScriptedModel.Call
    }

    /// An answer that one client reads, over the loop that its connection came to.
    private func begin(_ policy: DisconnectPolicy, readerLoop: Int) throws -> Scene {
        let server = try HandTurnedServer(hasStore: false)
        let session = server.makeSession(on: 0)
        let reader = try server.follow(session, on: readerLoop)
        let call = try server.submit("hello", to: session, policy: policy)
        server.say("one", by: call, in: session)
        server.turnUntilQuiet()
        return Scene(server: server, session: session, reader: reader, call: call)
    }

    @Test(arguments: [0, 1]) func cancelStopsTheModelAtOnce(readerLoop: Int) throws {
        let scene = try begin(.cancel, readerLoop: readerLoop)
        scene.server.stop(scene.reader)
        scene.server.turnUntilQuiet()
        #expect(scene.call.isCancelled)
        let next = try scene.server.follow(scene.session)
        #expect(next.kinds.contains(.responseCancelled), "who comes back is told how it ended")
        #expect(next.isGapless)
    }

    @Test(arguments: [0, 1]) func continueGoesOn(readerLoop: Int) throws {
        let scene = try begin(.continuing, readerLoop: readerLoop)
        scene.server.stop(scene.reader)
        scene.server.turnUntilQuiet()
        scene.server.advance(by: .seconds(3600))
        #expect(!scene.call.isCancelled)
        scene.server.say(" two", by: scene.call, in: scene.session)
        scene.server.finish(scene.call, in: scene.session)
        let next = try scene.server.follow(scene.session, on: 1)
        scene.server.turnUntilQuiet()
        #expect(next.text == "one two")
        #expect(next.kinds.last == .responseCompleted)
    }

    @Test(arguments: [0, 1]) func graceEndsWhenItsTimeIsOver(readerLoop: Int) throws {
        let scene = try begin(.grace(Self.grace), readerLoop: readerLoop)
        scene.server.stop(scene.reader)
        scene.server.turnUntilQuiet()
        scene.server.advance(by: Self.grace - .milliseconds(1))
        #expect(!scene.call.isCancelled)
        scene.server.say(" two", by: scene.call, in: scene.session)
        scene.server.advance(by: .milliseconds(1))
        #expect(scene.call.isCancelled)
        let next = try scene.server.follow(scene.session)
        #expect(next.text == "one two", "what was said in the grace is there")
        #expect(next.kinds.contains(.responseCancelled))
    }

    @Test(arguments: [0, 1]) func whoComesBackInGraceMissesNothing(readerLoop: Int) throws {
        let scene = try begin(.grace(Self.grace), readerLoop: readerLoop)
        let seen = scene.reader.events
        scene.server.stop(scene.reader)
        scene.server.turnUntilQuiet()
        scene.server.say(" two", by: scene.call, in: scene.session)
        scene.server.advance(by: Self.grace - .milliseconds(1))
        let next = scene.server.makeReader(on: 1 - readerLoop)
        try scene.server.attach(next, to: scene.session, after: seen.count)
        scene.server.advance(by: Self.grace * 2)
        #expect(!scene.call.isCancelled)
        scene.server.say(" three", by: scene.call, in: scene.session)
        scene.server.turnUntilQuiet()
        #expect(next.text == " two three")
        #expect((seen + next.events).map(\.position) == Array(1...(seen.count + next.events.count)))
        // The next disconnect has a grace of its own, from its own beginning.
        scene.server.stop(next)
        scene.server.turnUntilQuiet()
        scene.server.advance(by: Self.grace - .milliseconds(1))
        #expect(!scene.call.isCancelled)
        scene.server.advance(by: .milliseconds(1))
        #expect(scene.call.isCancelled)
    }

    @Test func oneOfTwoReadersMayGo() throws {
        let scene = try begin(.cancel, readerLoop: 0)
        let other = try scene.server.follow(scene.session, on: 1)
        scene.server.stop(scene.reader)
        scene.server.turnUntilQuiet()
        #expect(!scene.call.isCancelled)
        scene.server.stop(other)
        scene.server.turnUntilQuiet()
        #expect(scene.call.isCancelled)
    }

    @Test func anObserverIsNobodyWhoListens() throws {
        let scene = try begin(.cancel, readerLoop: 0)
        let observer = scene.server.makeReader(on: 1)
        try scene.server.attach(observer, to: scene.session, listens: false)
        scene.server.stop(scene.reader)
        scene.server.turnUntilQuiet()
        #expect(scene.call.isCancelled)
        #expect(observer.kinds.contains(.responseCancelled))
    }

    /// A session may have to be loaded before its reader is attached: its client may have left by then.
    @Test(arguments: [0, 1]) func aReaderThatStoppedBeforeItWasAttachedLeavesAtOnce(readerLoop: Int) throws {
        let server = try HandTurnedServer(hasStore: false)
        let session = server.makeSession(on: 0)
        let reader = server.makeReader(on: readerLoop)
        server.stop(reader)
        var command = SessionCommand.Submit(
            NewItems([.userMessage("hello")]), responseID: "resp_1", parameters: server.on(session) { .whole($0.defaults) })
        command.policy = .cancel
        var isAccepted = false
        reader.loop.enter {
            session.perform(.submit(command), reader: reader, from: reader.loop) { isAccepted = !$0.isRefusal }
        }
        server.turnUntilQuiet()
        #expect(isAccepted, "what was asked for is begun")
        #expect(try #require(server.model.calls.last).isCancelled, "and ends by its policy: nobody reads it")
        #expect(reader.events.isEmpty)
    }
}
