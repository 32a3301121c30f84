import Bytes

/// The one timer of a connection. What it means is told by the state: a handshake's end, the protocol's own deadline while the
/// connection is open, the peer's time to take the rest or to close.
extension Connection {
    /// Sets it anew.
    final func setTimer(after delay: Duration) { loop.setTimer(of: self, at: Instant.monotonicNow + delay) }

    final func cancelTimer() { if timerPlace != TimerQueue.noPlace { loop.cancelTimer(of: self) } }

    /// The moment for which it is set.
    final var timerDeadline: Instant? { timerPlace == TimerQueue.noPlace ? nil : loop.timerDeadline(of: self) }

    final func timerIsDue() {
        switch socketState {
        case .handshaking: failHandshake(TLSError(.timeout))
        case .connecting, .open: timerFired()
        case .finishing, .lingering: end(.lingerTimeout)
        case .closed: break
        }
    }
}
