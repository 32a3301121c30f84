package import Access
package import Hosting
package import Network
package import SessionHosting
package import Storage

/// What calls need from the process. One for a server, complete once initialized.
package final class APIServices: Sendable {
    /// Settings of calls, streams and WebSockets.
    package let settings: APISettings
    /// All routes.
    package let routes: RouteTable
    /// How far the shutdown has come.
    package let lifecycle: Lifecycle
    /// Authenticates callers.
    package let authentication: Authentication
    /// Tickets for pages, which cannot set header fields on streams.
    package let tickets = StreamTickets()
    /// Controls access to operator routes.
    package let operatorAccess: OperatorAccess
    let crossOrigin: CrossOrigin
    /// Enforces the limits of keys and counts usage.
    package let metering: Metering
    /// Nil if no access log is written.
    package let accessLog: AccessLog?
    /// The idempotency keys of all clients.
    package let idempotency: IdempotencyKeys
    /// Finds the sessions of all loops.
    package let sessions: SessionDirectory
    /// Nil if everything is in memory only.
    package let store: Store?
    /// The models that clients can request.
    package let modelNames: ModelNames
    /// In the order of the event loops.
    private let calls: [LoopBound<CallLoop>]

    /// Creates the services, with a ``CallLoop`` for each event loop.
    package init(
        settings: APISettings, routes: RouteTable, lifecycle: Lifecycle, authentication: Authentication,
        operatorAccess: OperatorAccess, metering: Metering, accessLog: AccessLog?, idempotency: IdempotencyKeys,
        sessions: SessionDirectory, store: Store?, modelNames: ModelNames
    ) {
        self.settings = settings
        self.routes = routes
        self.lifecycle = lifecycle
        self.authentication = authentication
        self.operatorAccess = operatorAccess
        self.metering = metering
        self.accessLog = accessLog
        self.idempotency = idempotency
        self.sessions = sessions
        self.store = store
        self.modelNames = modelNames
        crossOrigin = CrossOrigin(
            allowed: settings.allowedOrigins, keysAreRequired: authentication.isRequired, isLoopbackOnly: settings.isLoopbackOnly)
        calls = sessions.loops.map { bound in
            LoopBound(transferring: CallLoop(loop: bound.loop, authentication: authentication), to: bound.loop)
        }
    }

    /// Whether commits are waiting for the disk, which may not have reported an error.
    package var isStorageLate: Bool { store?.isLate ?? false }
    /// Why no new work is accepted: acknowledged changes could not be committed. Nil if it is.
    package var storageFailure: APIError? { store?.failure.map { APIError($0) } }

    /// The calls of a loop. Must be called on that loop.
    package func calls(on loop: EventLoop) -> CallLoop { calls[loop.index].value }
}

/// State that the calls of one loop share. Loop-confined.
package final class CallLoop {
    /// The open calls, streams and WebSockets.
    package let open: OpenRegistry
    /// Counts of the loop's HTTP responses.
    package internal(set) var counters = CallCounters()

    /// The state of `loop`.
    package init(loop: EventLoop, authentication: Authentication) {
        open = OpenRegistry(loop: loop, authentication: authentication)
    }
}

// MARK: Shutdown

extension APIServices {
    /// Counts open calls, streams and WebSockets on every loop.
    package func openCounts() async -> OpenRegistry.Counts {
        var counts = OpenRegistry.Counts()
        for bound in calls { counts = counts + (await bound.call { $0.open.counts }) }
        return counts
    }

    /// Begins to close connections on every loop.
    /// - Parameter window: the time over which the closes are spread.
    package func drain(window: Duration) async {
        for (sessions, calls) in zip(sessions.loops, calls) {
            await sessions.call { sessions in
                calls.value.open.drain(window: window)
                sessions.residents.drain()
            }
        }
    }

    /// Ends all work and closes the WebSockets on every loop.
    package func endAll() async {
        for (sessions, calls) in zip(sessions.loops, calls) {
            await sessions.call { $0.residents.endAll { calls.value.open.closeAll() } }
        }
    }
}
