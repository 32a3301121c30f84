package import Access
package import Hosting
package import Network
package import SessionHosting
package import Storage

/// What calls need of the process. One for a server, complete when it is made.
package final class APIServices: Sendable {
    package let settings: APISettings
    package let routes: RouteTable
    package let lifecycle: Lifecycle
    package let authentication: Authentication
    /// Tickets for streams of pages.
    package let tickets = StreamTickets()
    package let operatorAccess: OperatorAccess
    let crossOrigin: CrossOrigin
    /// Limits of keys, and what is counted.
    package let metering: Metering
    /// nil: none is written.
    package let accessLog: AccessLog?
    package let idempotency: IdempotencyKeys
    package let sessions: SessionDirectory
    /// nil: nothing outlives the process.
    package let store: Store?
    package let modelNames: ModelNames
    /// In the order of the event loops.
    private let calls: [LoopBound<CallLoop>]

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

    /// Whether commits wait for the disk, which may not have said why.
    package var isStorageLate: Bool { store?.isLate ?? false }
    /// Why no new work can be taken, when what is acknowledged could not be committed.
    package var storageFailure: APIError? { store?.failure.map { APIError($0) } }

    /// The calls of a loop. Call on that loop.
    package func calls(on loop: EventLoop) -> CallLoop { calls[loop.index].value }
}

/// What the calls of one loop share. Loop-confined.
package final class CallLoop {
    package let open: OpenRegistry
    package internal(set) var counters = CallCounters()

    package init(loop: EventLoop, authentication: Authentication) {
        open = OpenRegistry(loop: loop, authentication: authentication)
    }
}

// MARK: The server stops

extension APIServices {
    /// How much is open, on every loop.
    package func openCounts() async -> OpenRegistry.Counts {
        var counts = OpenRegistry.Counts()
        for bound in calls { counts = counts + (await bound.call { $0.open.counts }) }
        return counts
    }

    /// Begins to let connections go, on every loop.
    package func drain(window: Duration) async {
        for (sessions, calls) in zip(sessions.loops, calls) {
            await sessions.call { sessions in
                calls.value.open.drain(window: window)
                sessions.residents.drain()
            }
        }
    }

    /// Ends everything that runs and closes the WebSockets, on every loop.
    package func endAll() async {
        for (sessions, calls) in zip(sessions.loops, calls) {
            await sessions.call { $0.residents.endAll { calls.value.open.closeAll() } }
        }
    }
}
