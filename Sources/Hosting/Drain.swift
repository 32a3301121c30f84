/// Waits for a stopping host's current work.
package enum Drain {
    private static let pollInterval = Duration.milliseconds(10)

    /// Waits until a condition holds.
    /// - Parameter timeout: the longest wait.
    /// - Returns: whether it holds.
    package static func wait(atMost timeout: Duration, until isDone: () async -> Bool) async -> Bool {
        let deadline = ContinuousClock.now + timeout
        while await !isDone() {
            if ContinuousClock.now >= deadline { return false }
            try? await Task.sleep(for: pollInterval)
        }
        return true
    }
}
