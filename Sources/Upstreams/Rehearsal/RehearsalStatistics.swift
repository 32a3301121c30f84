/// What `GET /stats` tells. A reset puts a new one in its place, so that streams from before count no more.
final class RehearsalStatistics {
    var requests = 0
    var streamsCompleted = 0
    var abortsSeen = 0
    var tokensSent = 0
    /// Answers that are being given now.
    var active = 0
}
