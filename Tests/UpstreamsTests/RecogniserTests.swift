import Network
import Synchronization
import Testing

@testable import Upstreams

@Suite struct RecogniserTests {
    private static let key = Recogniser.Key(upstream: 0, model: "m")

    /// An upstream that answers when the test has it do so.
    private final class Upstream: Sendable {
        private let state = Mutex((asked: 0, cancelled: 0, told: 0, answers: [CheckedContinuation<Bool, Never>]()))

        var asked: Int { state.withLock { $0.asked } }
        var cancelled: Int { state.withLock { $0.cancelled } }
        /// Receivers that were called.
        var told: Int { state.withLock { $0.told } }

        func tell() { state.withLock { $0.told += 1 } }

        func ask() async -> Bool {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    state.withLock {
                        $0.asked += 1
                        $0.answers.append(continuation)
                    }
                }
            } onCancel: {
                state.withLock { $0.cancelled += 1 }
                answer(false)
            }
        }

        func answer(_ isAnswered: Bool) {
            let answers = state.withLock { state in
                defer { state.answers = [] }
                return state.answers
            }
            for answer in answers { answer.resume(returning: isAnswered) }
        }
    }

    private static func wait(_ condition: () -> Bool) async -> Bool {
        let deadline = ContinuousClock.now + .seconds(60)
        while !condition(), .now < deadline { try? await Task.sleep(for: .milliseconds(1)) }
        return condition()
    }

    @Test func allThatWaitAreToldByOneAnswer() async {
        let (recogniser, upstream) = (Recogniser(), Upstream())
        for _ in 0..<3 {
            let ticket = recogniser.wait(for: Self.key, ask: { await upstream.ask() }, { upstream.tell() })
            #expect(ticket != nil)
        }
        #expect(await Self.wait { upstream.asked == 1 })
        upstream.answer(true)
        #expect(await Self.wait { upstream.told == 3 } && upstream.asked == 1)
    }

    @Test func aFailureIsRememberedForAWhile() async {
        let (recogniser, upstream) = (Recogniser(), Upstream())
        let ask: @Sendable () async -> Bool = { await upstream.ask() }
        _ = recogniser.wait(for: Self.key, ask: ask, { upstream.tell() })
        #expect(await Self.wait { upstream.asked == 1 })
        upstream.answer(false)
        #expect(await Self.wait { upstream.told == 1 })
        #expect(recogniser.wait(for: Self.key, ask: ask, {}) == nil)
        #expect(recogniser.wait(for: Recogniser.Key(upstream: 1, model: "m"), ask: ask, {}) != nil, "another may answer")
        let later = Instant.monotonicNow + Recogniser.failureMemory
        #expect(recogniser.wait(for: Self.key, now: later, ask: ask, {}) != nil)
        #expect(await Self.wait { upstream.asked == 3 })
        upstream.answer(true)
    }

    @Test func theLastToLeaveEndsTheQuestion() async throws {
        let (recogniser, upstream) = (Recogniser(), Upstream())
        let ask: @Sendable () async -> Bool = { await upstream.ask() }
        let tickets = (0..<2).compactMap { _ in recogniser.wait(for: Self.key, ask: ask, { upstream.tell() }) }
        #expect(await Self.wait { upstream.asked == 1 })
        recogniser.withdraw(try #require(tickets.first))
        #expect(upstream.cancelled == 0)
        recogniser.withdraw(try #require(tickets.last))
        #expect(await Self.wait { upstream.cancelled == 1 })
        // A stop is no failure.
        #expect(recogniser.wait(for: Self.key, ask: ask, { upstream.tell() }) != nil)
        #expect(await Self.wait { upstream.asked == 2 })
        upstream.answer(true)
        #expect(await Self.wait { upstream.told == 1 })
    }
}
