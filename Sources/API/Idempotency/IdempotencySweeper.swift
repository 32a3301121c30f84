package import Hosting
package import Logging
package import Network
import Storage

/// Has the names of commands forgotten in time while the server runs.
package struct IdempotencySweeper: Sendable {
    package let keys: IdempotencyKeys
    /// How long a name is remembered.
    package let retention: Duration
    package let logger: Logger

    package init(keys: IdempotencyKeys, retention: Duration, logger: Logger) {
        self.keys = keys
        self.retention = retention
        self.logger = logger
    }

    private static let maxInterval = Duration.seconds(60)
    private static let minInterval = Duration.seconds(1)

    /// Looks once a minute, or ten times while a name is remembered, until the server stops.
    /// - Parameter clock: tells the time.
    package func start(until lifecycle: Lifecycle, clock: EventLoop) {
        let interval = min(Self.maxInterval, max(Self.minInterval, retention / 10))
        Task {
            while !lifecycle.isDraining {
                do throws(StorageError) {
                    try await keys.sweep(unixTime: clock.unixTime)
                } catch {
                    logger.warning("old idempotency keys were not deleted", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: interval)
            }
        }
    }
}
