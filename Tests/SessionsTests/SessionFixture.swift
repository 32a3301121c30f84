import JSON
import ResponsesWire
import Testing

@testable import Sessions

/// A host whose clock stands still until a test moves it.
final class FakeHost: SessionHost, GenerationListener {
    private struct Timer {
        let id: Int
        let deadline: Duration
        let action: () -> Void
    }

    var unixTime = 1_700_000_000
    let scripted = ScriptedModel()
    private(set) var interruptedIDs: [String] = []
    /// Events that each policy was applied to.
    private(set) var applied: [QueuePolicy: Int] = [:]
    private var elapsed = Duration.zero
    private var timers: [Timer] = []
    private var timerCount = 0

    var model: any Model { scripted }
    var pendingTimerCount: Int { timers.count }

    func interrupted(_ generation: Generation) { interruptedIDs.append(generation.id) }

    var generationListeners: [any GenerationListener] { [self] }
    private(set) var beginnings: [String] = []
    private(set) var endings: [String] = []
    func begun(_ generation: Generation) { beginnings.append(generation.id) }
    func ended(_ generation: Generation) { endings.append(generation.status.name) }
    func applied(_ policy: QueuePolicy, toEvents count: Int) { applied[policy, default: 0] += count }

    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void {
        timerCount += 1
        let id = timerCount
        timers.append(Timer(id: id, deadline: elapsed + delay, action: action))
        return { self.timers.removeAll { $0.id == id } }
    }

    /// Whether work off the loop waits for ``runComputed()``.
    var holdsCompute = false
    private var computed: [() -> Void] = []

    func compute<Value: Sendable>(
        for owner: String, _ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void
    ) {
        if holdsCompute { computed.append { then(work()) } } else { then(work()) }
    }

    func runComputed() {
        let waiting = computed
        computed = []
        for run in waiting { run() }
    }

    /// Runs the timer that is due first, and no other.
    func runTimer() {
        guard let index = timers.indices.min(by: { timers[$0].deadline < timers[$1].deadline }) else { return }
        timers.remove(at: index).action()
    }

    func advance(by duration: Duration) {
        elapsed += duration
        while let index = timers.indices.filter({ timers[$0].deadline <= elapsed }).min(by: {
            timers[$0].deadline < timers[$1].deadline
        }) {
            timers.remove(at: index).action()
        }
    }
}

/// A model that says what the test tells it to. Used on one thread only.
final class ScriptedModel: Model, @unchecked Sendable {
    private(set) var requests: [ModelRequest] = []
    private(set) var sinks: [GenerationSink] = []
    var generations: [Generation] { sinks.map(\.generation) }
    private(set) var calls: [ScriptedCall] = []
    /// Called within `start`: for models that answer or fail at once.
    var whenStarted: ((GenerationSink) -> Void)?

    func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall {
        let call = ScriptedCall(sink)
        requests.append(request)
        sinks.append(sink)
        calls.append(call)
        whenStarted?(sink)
        return call
    }

    /// Lets go of all that it was asked.
    func forgetCalls() {
        sinks = []
        calls = []
    }

    var uncancelledCount: Int { calls.count { $0.cancelCount == 0 && !$0.sink.status.isTerminal } }
}

final class ScriptedCall: ModelCall {
    let sink: GenerationSink
    private(set) var cancelCount = 0
    /// Types in the log at the moment of the cancel.
    private(set) var lastSequenceAtCancel = 0
    /// What a badly behaved upstream still says while it is closed.
    var whenCancelled: (() -> Void)?

    init(_ sink: GenerationSink) { self.sink = sink }

    func cancel() {
        cancelCount += 1
        whenCancelled?()
    }

    private(set) var isPaused = false
    func pause() { isPaused = true }
    func resume() { isPaused = false }
}

/// A cursor that keeps all that it was given.
final class Recorder: Cursor {
    private(set) var events: [SessionEvent] = []
    private(set) var snapshots: [(state: JSONValue, sequence: Int)] = []
    private(set) var sessionClosedCount = 0
    private(set) var placeGoneCount = 0
    /// Takes so many more events, then pauses at each; nil: never pauses.
    var credit: Int?
    var whenDelivered: ((SessionEvent) -> Void)?

    override func deliver(_ event: SessionEvent) -> Demand {
        events.append(event)
        whenDelivered?(event)
        guard let credit else { return .more }
        self.credit = max(0, credit - 1)
        return credit <= 1 ? .pause : .more
    }

    override func deliverSnapshot(_ state: [UInt8], sequence: Int) {
        snapshots.append(((try? JSONValue.parse(state)) ?? .null, sequence))
    }

    override func deliverPlaceGone() { placeGoneCount += 1 }

    override func sessionClosed() { sessionClosedCount += 1 }

    /// Events that had come when the stop of the host was told.
    private(set) var eventsAtStop: [Int] = []
    override func hostStopping() { eventsAtStop.append(events.count) }

    var isFollowing: Bool { isAttached }
    var sequences: [Int] { events.map(\.position) }
    var types: [EventKind] { events.map(\.kind) }
    func json(_ type: EventKind) -> [JSONValue] { events.filter { $0.kind == type }.map(\.json) }
}

extension SessionEvent {
    var json: JSONValue { (try? JSONValue.parse(ResponsesEncoder.json(self))) ?? .null }
    var payload: [UInt8] { ResponsesEncoder.json(self) }
    /// As the log has it: what two events are compared by, where there are many.
    var encoded: [UInt8] { withEncoded { Array($0) } }
    /// Of a delta.
    var text: String { withText { text, _ in String(decoding: text, as: UTF8.self) } }
}

extension SessionLog {
    /// All that it holds in memory.
    var events: [SessionEvent] {
        var events: [SessionEvent] = []
        var place = place(after: oldestPosition - 1)
        while let event = next(&place) { events.append(event) }
        return events
    }
}

/// What a model tells a response: the test is its model.
extension Generation {
    var sink: GenerationSink { GenerationSink(self) }

    func say(_ escaped: String) { sink.say(escaped) }
    func think(_ escaped: String) { sink.think(escaped) }
    func refuse(_ escaped: String) { sink.refuse(escaped) }
    func argue(_ index: Int, _ escaped: String) { sink.argue(index, escaped) }
    func toolCall(index: Int, callID: String, name: String) { sink.toolCall(index: index, callID: callID, name: name) }
    func customToolCall(index: Int, callID: String, name: String) {
        sink.customToolCall(index: index, callID: callID, name: name)
    }
    func provide(_ data: ProviderData, with part: GenerationSink.ProvidedPart) { sink.provide(data, with: part) }
    func endReasoning() { sink.endReasoning() }
    func accepted() { sink.accepted() }
    func reportUsage(_ usage: Usage) { sink.reportUsage(usage) }
    func finish(_ reason: FinishReason) { sink.finish(reason) }
    func fail(_ error: GenerationError) { sink.fail(error) }
    func noteAttempt(at upstream: String) { sink.noteAttempt(at: upstream) }
    func noteAttempt(failedBy fault: String, at upstream: String) { sink.noteAttempt(failedBy: fault, at: upstream) }
}

extension GenerationSink {
    func say(_ escaped: String) { Array(escaped.utf8).withUnsafeBytes { textDelta(escaped: $0) } }
    func think(_ escaped: String) { Array(escaped.utf8).withUnsafeBytes { reasoningDelta(escaped: $0) } }
    func refuse(_ escaped: String) { Array(escaped.utf8).withUnsafeBytes { refusalDelta(escaped: $0) } }
    func argue(_ index: Int, _ escaped: String) {
        Array(escaped.utf8).withUnsafeBytes { toolCallArguments(index: index, escaped: $0) }
    }
}

/// A session with a fake host and a recorder that follows it from its first event.
struct Fixture {
    let host = FakeHost()
    let session: Session
    let recorder = Recorder(listens: false)

    init(
        mode: InterjectionMode = .interrupt, limits: SessionLimits = SessionLimits(),
        forking: (generation: Generation, items: [Item])? = nil
    ) {
        session = Session(
            owner: "me", host: host, defaults: ResponseParameters(model: "m"), mode: mode, forking: forking, limits: limits)
        try? session.attach(recorder, after: 0)
    }

    var model: ScriptedModel { host.scripted }

    func input(
        _ text: String, mode: InterjectionMode? = nil, policy: DisconnectPolicy = .continuing
    ) -> Input {
        Input(items: [.userMessage(text)], mode: mode, parameters: session.defaults, policy: policy)
    }

    @discardableResult
    func submit(
        _ text: String, mode: InterjectionMode? = nil, policy: DisconnectPolicy = .continuing
    ) throws -> Acceptance {
        try session.submit(input(text, mode: mode, policy: policy))
    }

    var log: [SessionEvent] {
        session.log.events
    }

    func types(of generation: Generation) -> [EventKind] {
        log.filter { $0.response === generation.header }.map(\.kind)
    }

    var conversation: [String] { session.items.map(\.text) }
    var state: JSONValue { (try? JSONValue.parse(session.stateJSON())) ?? .null }
}

/// What must hold of every log, whatever happened.
func checkInvariants(_ fixture: Fixture, _ hint: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
    let log = fixture.log
    #expect(log.map(\.position) == Array(1..<(log.count + 1)), "\(hint)", sourceLocation: sourceLocation)
    var open: String?
    var interrupted: Set<String> = []
    for (id, events) in Dictionary(grouping: log.filter { $0.response != nil }, by: { $0.response?.id ?? "" }) {
        #expect(events.map(\.responseSequence) == Array(0..<events.count), "\(hint) \(id)", sourceLocation: sourceLocation)
        #expect(events.first?.kind == .responseCreated, "\(hint)", sourceLocation: sourceLocation)
        #expect(events.dropLast().allSatisfy { !$0.kind.isTerminal }, "\(hint)", sourceLocation: sourceLocation)
    }
    for event in log {
        let json = event.json
        func fail(_ what: String) { Issue.record("\(what): event \(event.position) \(hint)", sourceLocation: sourceLocation) }
        if json["type"]?.string != "\(event.kind.responsesType)" { fail("wrong type") }
        if let id = event.response?.id {
            if json["sequence_number"]?.int != event.responseSequence { fail("wrong sequence number") }
            if interrupted.contains(id) { fail("stale event of \(id)") }
            // One that is cancelled while it waits is made and ended at once, queued as it was.
            let begins =
                event.kind == .responseCreated
                && String(decoding: event.payload, as: UTF8.self).contains("\"status\":\"in_progress\"")
            if begins {
                #expect(open == nil, "two active generations \(hint)", sourceLocation: sourceLocation)
                open = id
            }
            if event.kind.isTerminal, open == id { open = nil }
        }
        if event.kind == .inputAccepted, let id = json["interrupted"]?["response_id"]?.string { interrupted.insert(id) }
    }
    #expect(open == fixture.session.active?.id, "\(hint)", sourceLocation: sourceLocation)
    for generation in fixture.session.generations where generation.status.isTerminal {
        let types = log.filter { $0.response === generation.header }.map(\.kind)
        #expect(types.last?.isTerminal == true, "\(hint)", sourceLocation: sourceLocation)
    }
    #expect(fixture.model.uncancelledCount <= 1, "an upstream runs on \(hint)", sourceLocation: sourceLocation)
}
