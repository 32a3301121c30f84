import Hosting
import Logging
import Network
import Storage

/// Has the names of commands forgotten in time while the server runs.
struct IdempotencySweeper: Sendable {
    let context: ServerContext
    let logger: Logger

    private static let maxInterval = Duration.seconds(60)
    private static let minInterval = Duration.seconds(1)

    /// Looks once a minute, or ten times while a name is kept, until the server stops.
    func start() {
        let interval = min(Self.maxInterval, max(Self.minInterval, context.configuration.idempotencyRetention / 10))
        Task {
            while !context.lifecycle.isDraining {
                do throws(StorageError) {
                    try await context.idempotency.sweep(unixTime: context.sessionLoops[0].loop.unixTime)
                } catch {
                    logger.warning("old idempotency keys were not deleted", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: interval)
            }
        }
    }
}
