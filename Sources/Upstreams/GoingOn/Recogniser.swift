import Network
import Synchronization

/// Has each upstream asked at most once at a time what it is, and not again for a while after that failed. From any thread.
final class Recogniser: Sendable {
    typealias Key = LearntHabits.Key

    /// A place among those that wait for an answer.
    struct Ticket: Sendable {
        fileprivate let key: Key
        fileprivate let number: UInt64
    }

    /// The question that is under way.
    private struct Question {
        let number: UInt64
        let task: Task<Void, Never>
        var receivers: [UInt64: @Sendable () -> Void]
    }

    private struct State {
        var questions: [Key: Question] = [:]
        /// When asking failed last.
        var failures: [Key: Instant] = [:]
        var lastNumber: UInt64 = 0
    }

    /// For so long an upstream that gave no answer is not asked again: each answer that goes on would wait for it.
    static let failureMemory = Duration.seconds(60)
    /// Clients name the models.
    static let maxFailureCount = 256

    private let state = Mutex(State())

    /// Waits for an answer, and asks if nobody does so yet.
    /// - Parameters:
    ///   - ask: asks, and remembers the answer; returns whether there was one. Cancelled when nobody waits any more.
    ///   - receiver: called when the question is over, on any thread.
    /// - Returns: nil if there is nothing to wait for, since asking failed lately.
    func wait(
        for key: Key, now: Instant = .monotonicNow, ask: @escaping @Sendable () async -> Bool,
        _ receiver: @escaping @Sendable () -> Void
    ) -> Ticket? {
        state.withLock { state in
            let failedAt: Instant? = state.failures[key]
            if let failedAt, now - failedAt < Self.failureMemory { return nil }
            state.lastNumber &+= 1
            let number = state.lastNumber
            if state.questions[key] != nil {
                state.questions[key]?.receivers[number] = receiver
            } else {
                let task = Task { [self] in end(number, key, isAnswered: await ask()) }
                state.questions[key] = Question(number: number, task: task, receivers: [number: receiver])
            }
            return Ticket(key: key, number: number)
        }
    }

    /// Waits no more: its receiver is not called, unless that is under way. The last one to leave ends the question.
    func withdraw(_ ticket: Ticket) {
        let abandoned: Task<Void, Never>? = state.withLock { state in
            guard state.questions[ticket.key]?.receivers.removeValue(forKey: ticket.number) != nil,
                state.questions[ticket.key]?.receivers.isEmpty ?? false
            else { return nil }
            return state.questions.removeValue(forKey: ticket.key)?.task
        }
        abandoned?.cancel()
    }

    private func end(_ number: UInt64, _ key: Key, isAnswered: Bool) {
        let receivers: [@Sendable () -> Void] = state.withLock { state in
            // Abandoned: perhaps it is being asked anew.
            guard let question = state.questions[key], question.number == number else { return [] }
            state.questions[key] = nil
            if isAnswered {
                state.failures[key] = nil
            } else {
                if state.failures.count >= Self.maxFailureCount { state.failures = [:] }
                state.failures[key] = .monotonicNow
            }
            return Array(question.receivers.values)
        }
        for receiver in receivers { receiver() }
    }
}
