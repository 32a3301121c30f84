import JSON
public import Sessions

/// A session in which everything happens that can: its log has an event of every kind. A test is its model.
public final class ToldSession: SessionHost {
    private final class Call: ModelCall {
        func cancel() {}
        func pause() {}
        func resume() {}
    }

    /// Says nothing by itself. Used on one thread only.
    private final class SilentModel: Model, @unchecked Sendable {
        /// By the response's identifier.
        var sinks: [String: GenerationSink] = [:]

        func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall {
            sinks[sink.responseID] = sink
            return Call()
        }
    }

    private let silent = SilentModel()
    public var model: any Model { silent }
    public private(set) var unixTime = 1_700_000_000
    public let log: ToldLog
    public private(set) lazy var session = Session(
        id: "sess_told", owner: "ann", host: self,
        defaults: ResponseParameters(model: "m", instructions: "be \"brief\"", members: ["temperature": 0.5, "top_p": 1]),
        mode: .queue, metadata: ["a": "☃"], log: log)

    public init(log: ToldLog = ToldLog()) { self.log = log }

    public func interrupted(_ generation: Generation) {}
    public func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void { {} }

    /// What follows the session from now on gets all of it.
    public func tellEverything() throws {
        let ann = Participant(name: "Ann \"A.\"")
        try session.join(ann)
        try session.add([.userMessage("one \\ two"), .userMessage("three")])
        _ = session.deleteItem(session.items[0].id)
        try session.insert([.userMessage("before \"all\""), Self.answer("msg_told", "so ☃ much and more")], after: nil)
        try session.insert([.userMessage("four")], after: session.items.last?.id)
        try session.replace(with: Self.answer("msg_told", "so ☃ much, and \"more\""))
        _ = try session.truncate(.init(itemID: "msg_told", toUTF8Count: 10))
        _ = try session.truncate(.init(itemID: "msg_told", toUTF8Count: 4, audioEndMilliseconds: 1500))
        try answerWithEveryItem(ann)
        try answerInJSON()
        try endEarly(ann)
        session.leave(ann)
        _ = session.delete(responseID: session.generations[1].id)
        // One runs on, with items that are closed and one that is open.
        let running = try speak("go on")
        running.think("hm")
        running.say("unfinished \\\"quote")
        running.say("\\n and more")
        _ = running.step(Step(id: "s2", kind: "tool", status: .inProgress))
    }

    private static func answer(_ id: String, _ text: String) -> Item {
        let part: JSONValue = ["type": "output_text", "text": .string(text), "annotations": []]
        return Item(id: id, body: ["type": "message", "role": "assistant", "content": [part]])
    }

    /// Says something to the session.
    @discardableResult
    private func submit(
        _ text: String, _ mode: InterjectionMode = .queue, _ change: (inout Input) -> Void = { _ in }
    ) throws -> Generation {
        unixTime += 1
        var input = Input(items: [.userMessage(text)], mode: mode, parameters: session.defaults, policy: .continuing)
        change(&input)
        return try session.submit(input).generation
    }

    /// The same where the answer begins at once.
    /// - Returns: what the model tells the answer.
    @discardableResult
    private func speak(
        _ text: String, _ mode: InterjectionMode = .queue, _ change: (inout Input) -> Void = { _ in }
    ) throws -> GenerationSink {
        let id = try submit(text, mode, change).id
        guard let sink = silent.sinks[id] else { preconditionFailure("the model was not asked") }
        return sink
    }

    private func answerWithEveryItem(_ ann: Participant) throws {
        let generation = try speak("hi ☃") {
            $0.participant = ann
            $0.clientEventID = "event_1"
            $0.parameters.members["include"] = ["reasoning.encrypted_content"]
        }
        generation.think("so \\u00e9")
        generation.provide(ProviderData(dialect: ProviderData.anthropic, members: ["signature": "s"]), with: .reasoning)
        generation.endReasoning()
        let step = Step(id: "s1", kind: "retrieval", name: "find", status: .inProgress, title: "\"x\"", detail: ["n": 1.5])
        _ = generation.step(step)
        generation.say("a\\n\\\"b\\\" \\ud83d\\ude00")
        generation.say("plain")
        generation.toolCall(index: 0, callID: "call_1", name: "f")
        generation.argue(0, "{\\\"a\\\":")
        generation.customToolCall(index: 1, callID: "call_2", name: "sh")
        generation.argue(1, "ls \\\\ ")
        generation.argue(0, "1}")
        generation.provide(ProviderData(dialect: ProviderData.openAI, members: ["x": [1, 2]]), with: .toolCall(0))
        generation.reportUsage(Usage(inputTokens: 5, outputTokens: 6, cachedTokens: 1, reasoningTokens: 2))
        generation.finish(.toolCalls)
        let refusing = try speak("no?")
        refusing.refuse("I \\\"won't\\\"")
        refusing.finish(.stop)
        let empty = try speak("say nothing")
        empty.finish(.contentFilter)
    }

    private func answerInJSON() throws {
        for text in ["{\\\"a\\\":1}", "[1"] {
            let generation = try speak("as JSON") { $0.parameters.members["text"] = ["format": ["type": "json_object"]] }
            generation.say(text)
            generation.finish(.stop)
        }
    }

    private func endEarly(_ ann: Participant) throws {
        let failing = try speak("fail")
        failing.say("half")
        failing.fail(
            GenerationError(code: "rate_limit_exceeded", message: "too \"fast\"", status: 429, type: "t", param: "model"))
        try speak("cut").say("this is cut")
        try speak("instead", .interrupt) { $0.participant = ann }
        try session.cancel(by: ann, clientEventID: "event_2")
        try speak("taken back").say("gone")
        let steered = try speak("anew", .rollback)
        steered.say("steered")
        try speak("to there", .steer) { $0.steer = Input.Steer(id: "steer_1", responseID: steered.responseID) }.say(" on")
        let waiting = try submit("waits")
        try session.cancel(responseID: waiting.id, by: nil)
        try session.cancel(by: nil)
        try speak("think").think("only")
        try session.cancel(by: nil)
    }
}

extension GenerationSink {
    fileprivate func say(_ escaped: String) { Array(escaped.utf8).withUnsafeBytes { textDelta(escaped: $0) } }
    fileprivate func think(_ escaped: String) { Array(escaped.utf8).withUnsafeBytes { reasoningDelta(escaped: $0) } }
    fileprivate func refuse(_ escaped: String) { Array(escaped.utf8).withUnsafeBytes { refusalDelta(escaped: $0) } }
    fileprivate func argue(_ index: Int, _ escaped: String) {
        Array(escaped.utf8).withUnsafeBytes { toolCallArguments(index: index, escaped: $0) }
    }
}

/// A log that drops nothing and tells what a store would get.
public final class ToldLog: SessionLog {
    public private(set) var appendedEvents: [SessionEvent] = []
    public private(set) var changes: [SessionChange] = []
    /// Gets each event as it is appended.
    public var onEvent: ((SessionEvent) -> Void)?

    public init() { super.init(maxByteCount: .max) }

    public override func appended(_ event: SessionEvent) {
        appendedEvents.append(event)
        onEvent?(event)
    }

    public override func store(_ change: SessionChange) { changes.append(change) }

    /// The responses as they were stored last, also those that were deleted; by ordinal.
    public var responses: [Int: GenerationRecord] {
        var responses: [Int: GenerationRecord] = [:]
        for case .response(let record) in changes { responses[record.ordinal] = record }
        return responses
    }
}
