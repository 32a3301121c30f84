/// The counters of `GET /stats`. A reset replaces the object, so that streams begun before it no longer count.
final class RehearsalStatistics {
    var requests = 0
    var streamsCompleted = 0
    var abortsSeen = 0
    var tokensSent = 0
    /// Answers in progress.
    var active = 0
}
