import Network
package import SessionHosting
package import Sessions

/// Clients that poll with `wait`.
extension Call {
    /// Waits for an event after a position in a session's log.
    /// - Parameter then: called once, unless the client disconnects: the event has come, the time is over, or the session is gone.
    package func wait(
        for awaited: EventWaiter.Awaited, of session: SessionReference, after position: LogPosition, _ timeout: Duration,
        then: @escaping () -> Void
    ) {
        let waiter = EventWaiter(loop: loop, for: awaited, timeout: timeout, then: then)
        exchange.onDisconnect = { waiter.cancel() }
        let fail = { (error: APIError) in
            waiter.cancel()
            self.fail(error)
        }
        perform(.follow(.after(position)), on: session, reader: waiter, listens: false, orElse: fail) {
            (outcome) throws(SessionError) in
            _ = try outcome.following()
        }
    }

    /// Seconds until the next poll of running work: a fourth of its age, since work that has taken long is likely to take longer;
    /// from 1 to 30.
    package static func pollSeconds(age: Int) -> Int { min(max(1, age / 4), 30) }
}
