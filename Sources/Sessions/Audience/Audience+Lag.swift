/// Readers that lag: what the log keeps for them, when the upstream waits for them, and what they are told while nothing comes.
extension Audience {
    /// Of those that must get every event, and still can, the position of the one furthest behind.
    var leastNeededPosition: Int {
        let first = log.oldestPosition - 1
        let needing = cursors.lazy.filter { $0.isAttached && $0.catchUp.whenPlaceIsGone == .close && $0.position >= first }
        return needing.map(\.position).min() ?? .max
    }

    /// Lets go of what one of them has got, or does not want any more.
    func trimLog() {
        let before = log.byteCount
        log.trim()
        memory.changed(by: log.byteCount - before)
    }

    // MARK: The upstream

    /// A response begins, whose upstream is made to wait when all listeners lag, or there is none any more.
    func upstreamChanged(isFlowing: Bool) { upstream = isFlowing ? .flowing : .idle }

    /// Bytes by which the foremost of the listeners lags; 0 without a listener.
    private var lagByteCount: Int {
        let foremost = cursors.lazy.filter { $0.listens && $0.isAttached }.map(\.byteOffset).max()
        return foremost.map { log.endOffset - $0 } ?? 0
    }

    /// An upstream that is faster than all listeners would drive events out of the log before one of them had read them: it waits.
    /// One reader that keeps up is enough for it to go on, so that a slow one delays no other.
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

    /// Tells the cursors that have got everything that the server stops.
    func announceStop() {
        for cursor in cursors where cursor.state == .following || cursor.state == .paused {
            if cursor.knowsOfStop || cursor.position < log.lastPosition { continue }
            cursor.knowsOfStop = true
            cursor.hostStopping()
        }
    }

    /// Tells listeners that wait for events which cannot be committed that they wait for the storage.
    func announceStall() {
        for cursor in cursors where cursor.isAttached && cursor.listens && cursor.position < log.lastPosition {
            cursor.storageStalled()
        }
    }
}
