import Foundation
import JSON
import Logging
import LoopbackServer
import Network
import Sessions
import Synchronization
import Testing

@testable import Upstreams

/// The host of a session on a loop, with the model under test.
private final class LoopHost: SessionHost {
    let loop: EventLoop
    let model: any Model
    var session: Session?

    init(_ loop: EventLoop, _ model: any Model) {
        self.loop = loop
        self.model = model
    }

    var unixTime: Int { loop.unixTime }
    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void {
        let timer = loop.schedule(after: delay, action)
        return { timer.cancel() }
    }
    func interrupted(_ generation: Generation) {}
}

/// The model under test; remembers the last call, without keeping it.
private final class WatchedModel: Model {
    private let inner: UpstreamModel
    private let last = Mutex<WeakCall>(WeakCall())
    /// Whether each call is held from its start, before anybody was asked.
    let holdsAtStart = Atomic<Bool>(false)

    private struct WeakCall: @unchecked Sendable {
        weak var call: (any ModelCall)?
    }

    init(_ inner: UpstreamModel) { self.inner = inner }

    /// Whether the last call, or its task, is still there.
    var hasCall: Bool { last.withLock { $0.call != nil } }

    func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall {
        let call = inner.start(request, for: sink)
        let weakCall = WeakCall(call: call)
        last.withLock { $0 = weakCall }
        if holdsAtStart.load(ordering: .relaxed) { call.pause() }
        return call
    }

    /// On the loop of the last call.
    func holdLast() { last.withLock { $0.call }?.pause() }
    func releaseLast() { last.withLock { $0.call }?.resume() }
}

/// Has the upstream wait as soon as the answer begins.
private final class HoldingReader: Cursor {
    private let model: WatchedModel

    init(_ model: WatchedModel) {
        self.model = model
        super.init()
    }

    override func deliver(_ event: SessionEvent) -> Demand {
        if event.kind == .outputTextDelta { model.holdLast() }
        return .more
    }
}

/// A session on a loop of its own that asks an upstream.
private struct Conversing {
    let group: EventLoopGroup
    let host: LoopBound<LoopHost>
    let model: WatchedModel
    let router: UpstreamRouter

    struct Answer: Sendable {
        var status: String
        var text: String
        var error: GenerationError?
        var usage: Usage?
        var deltaCount: Int
    }

    init(_ upstreams: [UpstreamConfiguration], options: RoutingOptions = RoutingOptions()) async throws {
        group = try EventLoopGroup(count: 1, logger: Logger(label: "test"))
        let loop = group.loops[0]
        router = UpstreamRouter(upstreams, options: options)
        let model = WatchedModel(UpstreamModel(router))
        self.model = model
        host = await withCheckedContinuation { continuation in
            loop.execute {
                let host = LoopHost(loop, model)
                host.session = Session(owner: "o", host: host, defaults: ResponseParameters(model: "m"))
                continuation.resume(returning: LoopBound(host, on: loop))
            }
        }
    }

    func say(_ text: String, _ mode: InterjectionMode = .interrupt) async {
        await host.call { host in
            let input = Input(
                items: [.userMessage(text)], mode: mode, parameters: ResponseParameters(model: "m"), policy: .continuing)
            _ = try? host.session?.submit(input)
        }
    }

    func cancel() async { await host.call { _ = try? $0.session?.cancel(by: nil) } }

    func answer(_ index: Int = 0) async -> Answer? {
        await host.call { host in
            guard let all = host.session?.generations, all.indices.contains(index) else { return nil }
            let generation = all[index]
            var answer = Answer(
                status: generation.status.name, text: generation.output.map(\.text).joined(separator: "|"),
                usage: generation.usage, deltaCount: generation.deltaCount)
            if case .failed(let error) = generation.status { answer.error = error }
            return answer
        }
    }

    func wait(_ index: Int = 0, seconds: Double = 60, _ condition: (Answer) -> Bool) async -> Answer? {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while .now < deadline {
            if let answer = await answer(index), condition(answer) { return answer }
            try? await Task.sleep(for: .milliseconds(1))
        }
        return await answer(index)
    }

    func waitForEnd(_ index: Int = 0) async -> Answer? {
        await wait(index) { $0.status != "in_progress" && $0.status != "queued" }
    }

    var transferCount: Int { get async { await host.call { $0.loop.httpClient.transferCount } } }
}

@Suite struct UpstreamCallTests {
    private func with(
        silence: Duration = .seconds(60), maxAttempts: Int = 3, dialect: UpstreamConfiguration.Dialect = .chatCompletions,
        _ answer: @escaping @Sendable (UpstreamPeer, Int) -> Void, _ body: (UpstreamServer, Conversing) async throws -> Void
    ) async throws {
        let server = UpstreamServer(answer)
        let conversing = try await Conversing(
            [
                UpstreamConfiguration(
                    baseURL: server.url, dialect: dialect, key: "secret-key", modelNames: ["m": "own"], silenceTimeout: silence)
            ], options: Self.options(maxAttempts: maxAttempts))
        try await body(server, conversing)
        server.stop()
        conversing.group.shutDown()
    }

    private static func options(maxAttempts: Int) -> RoutingOptions {
        var options = RoutingOptions()
        options.maxAttempts = maxAttempts
        return options
    }

    private static func wait(_ condition: () -> Bool) async -> Bool {
        let deadline = ContinuousClock.now + .seconds(60)
        while !condition(), .now < deadline { try? await Task.sleep(for: .milliseconds(1)) }
        return condition()
    }

    @Test func anAnswerArrivesAndTheConnectionIsUsedAgain() async throws {
        try await with { peer, _ in
            peer.answerHelloThere()
        } _: { server, conversing in
            for index in 0..<3 {
                await conversing.say("hi \(index)")
                let answer = await conversing.waitForEnd(index)
                #expect(answer?.status == "completed" && answer?.text == "Hello there" && answer?.deltaCount == 2)
            }
            let body = try JSONValue.parse(server.requests[2].body)
            #expect(body["model"] == "own" && body["messages"]?.array?.count == 5)
            #expect(server.requests[0].head.contains("Authorization: Bearer secret-key"))
            #expect(await conversing.transferCount == 0)
            #expect(await Self.wait { !conversing.model.hasCall })
        }
    }

    @Test func aServerThatDoesNotStreamIsUnderstood() async throws {
        try await with { peer, _ in
            peer.respond(200, #"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#)
        } _: { _, conversing in
            await conversing.say("hi")
            let answer = await conversing.waitForEnd()
            #expect(answer?.status == "completed" && answer?.text == "Hi")
        }
    }

    @Test func anthropicAnswers() async throws {
        try await with(dialect: .anthropicMessages) { peer, _ in
            peer.beginStream()
            peer.sendChunk(
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\"Hi\"}}\n\n")
            peer.sendChunk("data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n")
            peer.sendChunk("data: {\"type\":\"message_stop\"}\n\n")
            peer.endStream()
        } _: { server, conversing in
            await conversing.say("hi")
            #expect(await conversing.waitForEnd()?.text == "Hi")
            #expect(
                server.requests[0].head.contains("POST /v1/messages ") && server.requests[0].head.contains("x-api-key: secret-key"))
        }
    }

    // MARK: Attempts

    @Test(arguments: ["status", "cut"]) func aFaultBeforeTheFirstTokenIsTriedAgain(_ fault: String) async throws {
        try await with { peer, number in
            switch (fault, number) {
            case ("status", 1): peer.respond(503, #"{"error":{"message":"loading"}}"#, fields: "Retry-After: 0\r\n")
            case ("cut", 1):
                peer.beginStream()
                peer.cut()
            default: peer.answerHelloThere()
            }
        } _: { server, conversing in
            await conversing.say("hi")
            #expect(await conversing.waitForEnd()?.status == "completed")
            #expect(server.requests.count == 2)
        }
    }

    @Test func anUpstreamIsAskedTwiceAndClientsAreNotToMultiplyThat() async throws {
        try await with(maxAttempts: 100) { peer, _ in
            peer.respond(429, #"{"error":{"message":"slow down"}}"#, fields: "Retry-After: 0\r\n")
        } _: { server, conversing in
            await conversing.say("hi")
            let error = await conversing.waitForEnd()?.error
            #expect(error?.code == "rate_limit_exceeded" && error?.status == 429 && error?.retryAfterSeconds == 0)
            #expect(error?.forbidsRetry == true)
            #expect(server.requests.count == 2)
        }
    }

    @Test func aLongRetryAfterIsLeftToTheClient() async throws {
        try await with { peer, _ in
            peer.respond(429, "{}", fields: "Retry-After: 60\r\n")
        } _: { server, conversing in
            await conversing.say("hi")
            let error = await conversing.waitForEnd()?.error
            #expect(error?.retryAfterSeconds == 60 && error?.forbidsRetry == false)
            #expect(server.requests.count == 1)
        }
    }

    @Test(arguments: [400, 401, 404])
    func whatCannotGetBetterIsNotTriedAgain(_ status: Int) async throws {
        try await with { peer, _ in
            peer.respond(status, #"{"error":{"message":"secret-key is bad"}}"#)
        } _: { server, conversing in
            await conversing.say("hi")
            let error = try #require(await conversing.waitForEnd()?.error)
            #expect(error.status == status && !error.message.contains("secret-key"))
            #expect(server.requests.count == 1)
        }
    }

    @Test(arguments: ["cut", "end", "garbage", "error"])
    func afterTheFirstTokenThereIsNoSecondAttempt(_ fault: String) async throws {
        try await with { peer, _ in
            peer.beginStream()
            peer.say("Hello")
            switch fault {
            case "cut":
                usleep(20_000)
                peer.cut()
            case "end": peer.endStream()
            case "garbage": peer.sendChunk("data: {\n\n")
            default: peer.sendChunk("data: {\"error\":{\"message\":\"boom\",\"type\":\"overloaded_error\"}}\n\n")
            }
        } _: { server, conversing in
            await conversing.say("hi")
            let answer = await conversing.waitForEnd()
            let codes = [
                "cut": "upstream_truncated", "end": "upstream_truncated", "garbage": "upstream_malformed",
                "error": "upstream_overloaded",
            ]
            #expect(answer?.error?.code == codes[fault] && answer?.text == "Hello")
            #expect(server.requests.count == 1)
        }
    }

    @Test func anUpstreamThatRefusesIsUnreachable() async throws {
        let server = UpstreamServer { _, _ in }
        server.stop()
        let conversing = try await Conversing(
            [UpstreamConfiguration(baseURL: server.url)], options: Self.options(maxAttempts: 2))
        await conversing.say("hi")
        let error = await conversing.waitForEnd()?.error
        #expect(error?.code == "upstream_unreachable" && error?.status == 502)
        conversing.group.shutDown()
    }

    @Test(arguments: [false, true])
    func silenceIsATimeout(_ afterTheFirstToken: Bool) async throws {
        try await with(silence: .milliseconds(200)) { peer, _ in
            if afterTheFirstToken {
                peer.beginStream()
                peer.say("Hello")
            }
            peer.waitForClose()
        } _: { server, conversing in
            await conversing.say("hi")
            let error = await conversing.waitForEnd()?.error
            #expect(error?.code == "upstream_timeout" && error?.status == 504)
            #expect(await Self.wait { server.closesSeen == 1 })
            #expect(server.requests.count == 1)
        }
    }

    @Test func aPageIsNoStream() async throws {
        try await with { peer, _ in
            peer.respond(200, "<html>It works!</html>", contentType: "text/html")
        } _: { server, conversing in
            await conversing.say("hi")
            let error = await conversing.waitForEnd()?.error
            #expect(error?.code == "upstream_malformed" && error?.message.contains("text/html") == true)
            #expect(server.requests.count == 1)
        }
    }

    @Test func anEndlessErrorBodyIsNotReadToItsEnd() async throws {
        try await with { peer, _ in
            peer.send("HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<20 { peer.sendChunk(String(repeating: "x", count: 10_000)) }
            peer.waitForClose()
        } _: { server, conversing in
            await conversing.say("hi")
            #expect(await conversing.waitForEnd()?.error?.status == 400)
            #expect(await Self.wait { server.closesSeen == 1 })
        }
    }

    // MARK: The stop

    @Test func aStopBeforeTheFirstTokenClosesTheConnection() async throws {
        try await with { peer, _ in
            peer.waitForClose()
        } _: { server, conversing in
            await conversing.say("hi")
            #expect(await Self.wait { server.requests.count == 1 })
            await conversing.cancel()
            #expect(await Self.wait { server.closesSeen == 1 })
            #expect(await conversing.answer()?.status == "cancelled")
            #expect(await conversing.transferCount == 0)
        }
    }

    @Test func aStopMidStreamClosesTheConnection() async throws {
        try await with { peer, _ in
            peer.beginStream()
            peer.say("Hello")
            peer.waitForClose()
        } _: { server, conversing in
            await conversing.say("hi")
            _ = await conversing.wait { $0.deltaCount == 1 }
            await conversing.cancel()
            #expect(await Self.wait { server.closesSeen == 1 })
            #expect(await conversing.answer()?.text == "Hello")
        }
    }

    @Test func aStopBetweenAttemptsEndsThem() async throws {
        // Should this test get to run only after the pause, the second attempt, which is the last one, has no answer yet.
        try await with { peer, number in
            if number == 1 { peer.respond(503, "{}", fields: "Retry-After: 9\r\n") } else { peer.waitForClose() }
        } _: { server, conversing in
            await conversing.say("hi")
            #expect(await Self.wait { server.requests.count >= 1 })
            #expect(conversing.model.hasCall)
            await conversing.cancel()
            #expect(await conversing.answer()?.status == "cancelled")
            // Its task would keep it.
            #expect(await Self.wait { !conversing.model.hasCall })
            let asked = server.requests.count
            try await Task.sleep(for: .milliseconds(50))
            #expect(server.requests.count == asked)
        }
    }

    @Test func aStopRightAfterTheStartAsksNobody() async throws {
        try await with { peer, _ in
            peer.waitForClose()
        } _: { server, conversing in
            await conversing.host.call { host in
                let input = Input(
                    items: [.userMessage("hi")], parameters: ResponseParameters(model: "m"), policy: .continuing)
                _ = try? host.session?.submit(input)
                _ = try? host.session?.cancel(by: nil)
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(server.requests.isEmpty)
            #expect(await conversing.answer()?.status == "cancelled")
        }
    }

    // MARK: The hold

    @Test(arguments: [1, 2]) func whatIsHeldBeforeItAsksIsHeldInEachAttempt(_ answering: Int) async throws {
        let isAnswered = Atomic<Bool>(false)
        try await with { peer, number in
            guard number == answering else { return peer.respond(503, "{}", fields: "Retry-After: 0\r\n") }
            peer.answerHelloThere()
            isAnswered.store(true, ordering: .releasing)
        } _: { server, conversing in
            conversing.model.holdsAtStart.store(true, ordering: .relaxed)
            await conversing.say("hi")
            #expect(await Self.wait { isAnswered.load(ordering: .acquiring) })
            try await Task.sleep(for: .milliseconds(50))
            #expect(await conversing.answer()?.deltaCount == 0)
            let model = conversing.model
            await conversing.host.call { _ in model.releaseLast() }
            #expect(await conversing.waitForEnd()?.text == "Hello there")
            #expect(server.requests.count == answering)
        }
    }

    @Test func whatIsSaidInsteadOfAnAnswerIsNotHeld() async throws {
        try await with { peer, _ in
            peer.respond(400, #"{"error":{"message":"no such thing"}}"#)
        } _: { _, conversing in
            conversing.model.holdsAtStart.store(true, ordering: .relaxed)
            await conversing.say("hi")
            #expect(await conversing.waitForEnd()?.error?.message.contains("no such thing") == true)
            #expect(await conversing.transferCount == 0)
        }
    }

    @Test func anAnswerThatIsHeldInItsLastPieceLeavesNothingBehind() async throws {
        try await with { peer, _ in
            peer.beginStream()
            let text = #"data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}"#
            peer.sendChunk("\(text)\n\ndata: [DONE]\n\n")
            usleep(50_000)
            peer.endStream()
        } _: { _, conversing in
            let model = conversing.model
            await conversing.host.call { try? $0.session?.attach(HoldingReader(model), after: 0) }
            await conversing.say("hi")
            #expect(await conversing.waitForEnd()?.text == "Hello")
            let deadline = ContinuousClock.now + .seconds(60)
            while await conversing.transferCount > 0, .now < deadline { try await Task.sleep(for: .milliseconds(1)) }
            #expect(await conversing.transferCount == 0)
        }
    }

    @Test func interruptionsFasterThanAnyStartLeaveNothingBehind() async throws {
        try await with { peer, _ in
            peer.waitForClose()
        } _: { _, conversing in
            await withTaskGroup { group in
                for index in 0..<300 { group.addTask { await conversing.say("\(index)") } }
            }
            await conversing.cancel()
            #expect(await conversing.transferCount == 0)
            #expect(await Self.wait { !conversing.model.hasCall })
            #expect(await conversing.transferCount == 0)
            #expect(conversing.router.report.upstreams[0].inFlight == 0)
        }
    }

    @Test func anInterjectionStopsOneAnswerAndStartsTheNext() async throws {
        try await with { peer, number in
            switch number {
            case 1:
                peer.beginStream()
                peer.say("Hello")
                peer.waitForClose()
            // It is asked what it is.
            case 2: peer.respond(404, "{}")
            default: peer.answerHelloThere()
            }
        } _: { server, conversing in
            await conversing.say("hi")
            _ = await conversing.wait { $0.deltaCount == 1 }
            await conversing.say("in French", .steer)
            let answer = await conversing.waitForEnd(1)
            #expect(answer?.status == "completed" && answer?.text == " there", "\(String(describing: answer))")
            #expect(await Self.wait { server.closesSeen == 1 })
            let messages = try JSONValue.parse(server.requests[2].body)["messages"]
            #expect(messages?[1]?["content"] == "Hello")
            #expect(messages?[2]?["content"]?.string == "in French\n\n\(Conversation.steerNote)")
        }
    }

    @Test func aStopWhileTheUpstreamIsAskedWhatItIsFreesItsPlaceAtOnce() async throws {
        try await with { peer, number in
            if number == 1 {
                peer.beginStream()
                peer.say("Hello")
            }
            peer.waitForClose()
        } _: { server, conversing in
            await conversing.say("hi")
            _ = await conversing.wait { $0.deltaCount == 1 }
            await conversing.say("in French", .steer)
            #expect(await Self.wait { server.requests.count == 2 })
            #expect(server.requests[1].head.hasPrefix("GET /v1/models "))
            #expect(conversing.router.report.upstreams[0].inFlight == 1)
            await conversing.cancel()
            #expect(conversing.router.report.upstreams[0].inFlight == 0)
            #expect(await conversing.answer(1)?.status == "cancelled")
            #expect(await Self.wait { !conversing.model.hasCall })
            #expect(server.requests.count == 2)
        }
    }

    @Test func aQueuedInputIsAnsweredFromWithinTheEndOfTheFirst() async throws {
        try await with { peer, _ in
            usleep(20_000)
            peer.answerHelloThere()
        } _: { server, conversing in
            for index in 0..<4 { await conversing.say("q\(index)", .queue) }
            for index in 0..<4 { #expect(await conversing.waitForEnd(index)?.text == "Hello there") }
            #expect(server.requests.count == 4)
        }
    }
}
