import Testing

@testable import Sessions

/// A queue alone: what runs, what waits, what is found, and what comes into the conversation.
@Suite struct ResponseQueueTests {
    private let parts = Parts(forkedFrom: "resp_before")
    private var queue: ResponseQueue { parts.queue }
    private var texts: [String] { parts.conversation.items.map(\.text) }

    @Test func oneIsActiveAndTheOthersWaitInTheirOrder() throws {
        let first = try parts.take("a")
        let (second, third) = (try parts.take("b", .queue), try parts.take("c", .queue))
        #expect(queue.active === first && queue.waiting.map(\.id) == [second.id, third.id])
        #expect(queue.all.map(\.header.ordinal) == [1, 2, 3])
        first.say("A")
        first.finish(.stop)
        #expect(queue.active === second && texts == ["a", "A", "b"])
        second.finish(.stop)
        third.finish(.stop)
        #expect(queue.active == nil && queue.isAtRest && queue.unfinished.isEmpty)
    }

    @Test func eachNamesTheOneBeforeIt() throws {
        let first = try parts.take("a")
        let waiting = try parts.take("b", .queue)
        let cutting = try parts.take("c")
        #expect(first.previousResponseID == "resp_before")
        #expect(cutting.previousResponseID == first.id)
        // What waits names the one that it comes after in the end.
        #expect(waiting.previousResponseID == nil)
        cutting.finish(.stop)
        #expect(waiting.previousResponseID == cutting.id)
    }

    @Test(arguments: [
        (InterjectionMode.interrupt, Generation.Status.incomplete(.interrupted), ["a", "A", "b"]),
        (.steer, .incomplete(.steered), ["a", "A", "b"]), (.rollback, .cancelled, ["a", "b"]),
    ])
    func aCutEndsOneAndBeginsAnother(_ mode: InterjectionMode, _ status: Generation.Status, _ remembered: [String]) throws {
        let running = try parts.take("a")
        running.say("A")
        let next = try parts.take("b", mode)
        #expect(running.status == status && queue.active === next && texts == remembered)
        #expect(parts.host.scripted.calls.map(\.cancelCount) == [1, 0])
        #expect(parts.host.interruptedIDs == [running.id])
        #expect(next.request.continuesLastMessage == (mode == .steer))
    }

    @Test func aRefusedInputLeavesNothing() throws {
        try parts.take("a")
        #expect(throws: SessionError.self) { try parts.take("b", .reject) }
        #expect(queue.all.count == 1 && texts == ["a"])
    }

    @Test func onlySoManyWaitAndAreFound() throws {
        var limits = SessionLimits()
        limits.maxQueuedInputs = 1
        limits.maxResponses = 2
        let parts = Parts(limits: limits)
        let first = try parts.take("a")
        try parts.take("b", .queue)
        #expect(throws: SessionError.self) { try parts.take("c", .queue) }
        first.finish(.stop)
        try parts.take("d", .queue)
        #expect(parts.queue.response(first.id) == nil && parts.queue.all.map(\.header.ordinal) == [2, 3])
        #expect(parts.queue.header(1) == nil && parts.queue.header(3)?.ordinal == 3)
    }

    @Test func whatIsForgottenPrecedesNothing() throws {
        let (first, second) = (try parts.take("a"), try parts.take("b"))
        second.finish(.stop)
        queue.forget(second)
        #expect(queue.response(second.id) == nil)
        #expect(try parts.take("c").previousResponseID == first.id)
        #expect(parts.stored.contains("forgot \(second.id)"))
    }

    @Test func itsMemoryIsCountedOnce() throws {
        let before = parts.memory.byteCount
        let generation = try parts.take("a")
        generation.finish(.stop)
        queue.forget(generation)
        let gained = parts.log.byteCount + parts.conversation.byteCount
        #expect(parts.memory.byteCount - before == gained)
    }

    @Test func aClosedOneBeginsNothing() throws {
        let running = try parts.take("a", policy: .cancel)
        let waiting = try parts.take("b", .queue, policy: .cancel)
        queue.close()
        queue.lastListenerLeft()
        running.finish(.stop)
        #expect(queue.active == nil && waiting.status == .queued)
    }

    @Test func aSuspendedOneLeavesWhatGoesOnWithoutListeners() throws {
        let running = try parts.take("a")
        running.say("A")
        let waiting = try parts.take("b", .queue, policy: .cancel)
        queue.suspend()
        #expect(running.status == .inProgress && !running.isActive && parts.host.scripted.calls[0].cancelCount == 1)
        #expect(waiting.status == .cancelled && queue.isAtRest && !queue.isGenerating)
        running.say("too late")
        #expect(parts.kinds(of: running).last == .outputTextDelta)
        #expect(parts.log.events.count { $0.kind == .outputTextDelta } == 1)
    }

    @Test func eachGoesByItsOwnPolicyWhenTheLastListenerLeaves() throws {
        let running = try parts.take("a", policy: .grace(.seconds(5)))
        let waiting = try parts.take("b", .queue, policy: .cancel)
        queue.lastListenerLeft()
        #expect(running.isActive && waiting.status == .cancelled)
        parts.host.advance(by: .seconds(4))
        #expect(running.isActive)
        parts.host.advance(by: .seconds(1))
        #expect(running.status == .cancelled && queue.isAtRest)
    }

    /// The model may hold a generation for longer than there is a session.
    @Test func withTheQueueGoesItsActiveResponse() throws {
        let host = FakeHost()
        var generation: Generation?
        do {
            let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"))
            generation = try session.submit(
                Input(items: [.userMessage("a")], parameters: session.defaults, policy: .continuing)
            ).generation
        }
        #expect(host.scripted.calls[0].cancelCount == 1)
        generation?.say("into the void")
        generation?.finish(.stop)
        #expect(generation?.status == .inProgress && generation?.isActive == false)
    }
}

/// Those that want to know of beginnings and ends.
@Suite struct GenerationListenerTests {
    private final class Diary: GenerationListener {
        private(set) var lines: [String] = []
        private let log: SessionLog
        init(_ log: SessionLog) { self.log = log }
        func begun(_ generation: Generation) { lines.append("\(generation.header.ordinal) begun at \(log.lastPosition)") }
        func ended(_ generation: Generation) {
            lines.append("\(generation.header.ordinal) \(generation.status.name) at \(log.lastPosition)")
        }
    }

    @Test func theyAreToldWithTheEventInTheLog() throws {
        let parts = Parts()
        let diary = Diary(parts.log)
        parts.queue.listeners.append(diary)
        let running = try parts.take("a")
        running.finish(.stop)
        let begun = parts.log.events.first { $0.kind == .responseCreated }?.position ?? 0
        let ended = parts.log.events.first { $0.kind == .responseCompleted }?.position ?? 0
        #expect(diary.lines == ["1 begun at \(begun)", "1 completed at \(ended)"])
    }

    @Test func oneThatNeverBeganIsToldOfItsEndAlone() throws {
        let fixture = Fixture()
        let diary = Diary(fixture.session.log)
        try fixture.submit("a")
        fixture.session.add(listener: diary)
        let waiting = try fixture.submit("b", mode: .queue).generation
        try fixture.session.cancel(responseID: waiting.id, by: nil)
        #expect(diary.lines.count == 1 && diary.lines[0].hasPrefix("2 cancelled"))
        fixture.session.remove(listener: diary)
        try fixture.session.cancel(by: nil)
        #expect(diary.lines.count == 1)
        // The host's are told of the responses of all sessions.
        #expect(fixture.host.beginnings.count == 1 && fixture.host.endings == ["cancelled", "cancelled"])
    }
}
