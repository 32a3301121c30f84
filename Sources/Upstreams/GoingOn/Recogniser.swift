import Network
import Synchronization

/// Identifies upstreams with at most one query at a time for each, and none for a while after a failure. Thread-safe.
final class Recogniser: Sendable {
    typealias Key = LearntHabits.Key

    /// Identifies one caller of ``wait(for:now:ask:_:)``.
    struct Ticket: Sendable {
        fileprivate let key: Key
        fileprivate let number: UInt64
    }

    /// The query in progress.
    private struct Question {
        let number: UInt64
        let task: Task<Void, Never>
        var receivers: [UInt64: @Sendable () -> Void]
    }

    private struct State {
        var questions: [Key: Question] = [:]
        /// Time of the last failed query.
        var failures: [Key: Instant] = [:]
        var lastNumber: UInt64 = 0
    }

    /// After a failed query the upstream is not queried again for this long, since every continued answer would wait for it.
    static let failureMemory = Duration.seconds(60)
    /// Bounded, since clients choose the names of models.
    static let maxFailureCount = 256

    private let state = Mutex(State())

    /// Waits for the result of a query, and starts one if none is in progress.
    /// - Parameters:
    ///   - ask: performs the query and stores its result; returns whether there was one. Cancelled when the last ticket is
    ///     withdrawn.
    ///   - receiver: called on any thread when the query has ended.
    /// - Returns: nil if a recent query failed, so that there is nothing to wait for.
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

    /// Stops waiting: the receiver is not called, unless that call is in progress. The last withdrawal cancels the query.
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
            // Abandoned; another query may be in progress.
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
