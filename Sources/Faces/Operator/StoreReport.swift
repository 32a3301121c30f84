import API
import Storage

/// The store's counters, for metrics.
struct StoreReport: Sendable {
    let statistics: Store.Statistics
    let fileByteCount: Int
    let isWritable: Bool

    init(_ store: Store) {
        statistics = store.statistics
        fileByteCount = store.fileByteCount
        isWritable = store.failure == nil
    }

    func write(to page: inout MetricsText) {
        page.counter(
            "interject_store_commits_total", "Transactions; each waits for the disk once where durability is full.",
            UInt64(statistics.commits))
        page.counter(
            "interject_store_changes_total", "Changes in them: the turns of the loops, and what else is kept.",
            UInt64(statistics.changes))
        page.counter(
            "interject_store_commit_seconds_total", "Time that all commits took together.", seconds: statistics.commitSeconds)
        page.counter(
            "interject_store_failures_total", "Commits that failed and were tried again.", UInt64(statistics.failures))
        page.gauge("interject_store_pending_bytes", "Bytes that wait to be written.", statistics.pendingBytes)
        page.gauge("interject_store_file_bytes", "The database and its write-ahead log.", fileByteCount)
        page.gauge("interject_store_writable", "1 while the store can be written.", isWritable ? 1 : 0)
    }
}
