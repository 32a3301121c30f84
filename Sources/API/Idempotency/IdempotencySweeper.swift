package import Hosting
package import Logging
package import Network
import Storage

/// Removes expired idempotency keys periodically.
package struct IdempotencySweeper: Sendable {
    /// The keys.
    package let keys: IdempotencyKeys
    /// How long a key is remembered.
    package let retention: Duration
    /// Logs failed sweeps.
    package let logger: Logger

    /// A sweeper of `keys`.
    package init(keys: IdempotencyKeys, retention: Duration, logger: Logger) {
        self.keys = keys
        self.retention = retention
        self.logger = logger
    }

    private static let maxInterval = Duration.seconds(60)
    private static let minInterval = Duration.seconds(1)

    /// Sweeps once a minute, or ten times within a shorter retention, until the server stops.
    /// - Parameter clock: provides the time.
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
