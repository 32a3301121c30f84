import Jobs
import Synchronization

/// What works in the background, and the files that it works on.
struct JobServices: Sendable {
    let files: FileLibrary
    let batches: BatchEngine

    /// Where they are found, from the server's start on: they need the context that holds this.
    final class Slot: Sendable {
        private let services = Mutex<JobServices?>(nil)

        func set(_ new: JobServices) { services.withLock { $0 = new } }

        var current: JobServices? { services.withLock { $0 } }

        /// - Throws: ``APIError`` 501 where nothing is kept.
        func get() throws(APIError) -> JobServices {
            guard let services = current else { throw .nothingIsStored }
            return services
        }
    }
}
