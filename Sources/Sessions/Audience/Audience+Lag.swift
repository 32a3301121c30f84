/// Readers that lag: which events the log retains for them, when the upstream is paused, and what they are told while no events
/// come.
extension Audience {
    /// Position of the slowest reader that must get every event and still can.
    var leastNeededPosition: Int {
        let first = log.oldestPosition - 1
        let needing = cursors.lazy.filter { $0.isAttached && $0.catchUp.whenPlaceIsGone == .close && $0.position >= first }
        return needing.map(\.position).min() ?? .max
    }

    /// Drops pages from the log that no reader needs any more.
    func trimLog() {
        let before = log.byteCount
        log.trim()
        memory.changed(by: log.byteCount - before)
    }

    // MARK: The upstream

    /// The active response has begun, and its upstream is paused when all listeners lag; or it has ended.
    func upstreamChanged(isFlowing: Bool) { upstream = isFlowing ? .flowing : .idle }

    /// Number of bytes by which the fastest listener lags; 0 without a listener.
    private var lagByteCount: Int {
        let foremost = cursors.lazy.filter { $0.listens && $0.isAttached }.map(\.byteOffset).max()
        return foremost.map { log.endOffset - $0 } ?? 0
    }

    /// An upstream faster than all listeners would push events out of the log before they are read, so it is paused. One reader
    /// that keeps up is enough to resume it: a slow reader delays no other.
    @inline(__always)
    func holdUpstreamIfNeeded() { if upstream == .flowing { holdUpstreamIfAllLag() } }

    private func holdUpstreamIfAllLag() {
        // Once a token: readers of a short log are not even looked at.
        let mayLag = log.endOffset > limits.maxLogBytes / 2
        let allLag = mayLag && cursors.contains { $0.state == .paused } && lagByteCount > limits.maxLogBytes / 2
        guard allLag || log.isCongested else { return }
        upstream = .held
        delegate?.holdUpstream(true)
    }

    func releaseUpstreamIfOneKeepsUp() {
        guard upstream == .held, lagByteCount <= limits.maxLogBytes / 4, !log.isCongested else { return }
        upstream = .flowing
        delegate?.holdUpstream(false)
    }

    // MARK: Announcements

    /// Tells the cursors that have received everything that the server stops.
    func announceStop() {
        for cursor in cursors where cursor.state == .following || cursor.state == .paused {
            if cursor.knowsOfStop || cursor.position < log.lastPosition { continue }
            cursor.knowsOfStop = true
            cursor.hostStopping()
        }
    }

    /// Tells listeners that their next events are waiting for the disk.
    func announceStall() {
        for cursor in cursors where cursor.isAttached && cursor.listens && cursor.position < log.lastPosition {
            cursor.storageStalled()
        }
    }
}
