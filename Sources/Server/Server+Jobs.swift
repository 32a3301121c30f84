import Hosting
import Jobs
import Logging
import Storage

extension Server {
    /// Starts what works in the background: it goes on with what was unfinished when the process ended.
    /// - Parameters:
    ///   - directory: the data directory, which is there.
    ///   - sink: hears how batches end.
    static func startJobs(
        _ context: ServerContext, store: Store, directory: String, sink: (any JobEventSink)? = nil, logger: Logger
    ) async throws(JobError) {
        let configuration = context.configuration
        let files = try await FileLibrary.open(
            directory: directory, store: store, limits: configuration.fileLimits, logger: logger)
        let batches = BatchEngine(
            store: store, library: files, runner: SessionBatchRunner(context), sink: sink, limits: configuration.batchLimits,
            logger: logger)
        context.jobs.set(JobServices(files: files, batches: batches))
        try await batches.start()
    }

    /// Waits until no request of a batch runs any more, and its answer is kept.
    static func waitForJobs(_ context: ServerContext, timeout: Duration) async {
        _ = await Drain.wait(atMost: timeout) { await !(context.jobs.current?.batches.isRunning ?? false) }
    }
}
