import Jobs
import Sessions

/// Notifies endpoints of responses of one loop that have ended. Loop-confined.
final class WebhookListener: GenerationListener {
    private let webhooks: Webhooks
    private unowned let sessions: SessionLoop

    init(_ webhooks: Webhooks, of sessions: SessionLoop) {
        self.webhooks = webhooks
        self.sessions = sessions
    }

    func ended(_ generation: Generation) {
        guard !generation.isWithdrawn, let type = Self.eventType(of: generation.status) else { return }
        // Not with `store: false`, nor when it is one request of a batch, nor beside a conversation: it cannot be asked for afterwards.
        let isStored = !(generation.log is EphemeralLog) && sessions.isStored(generation.sessionID)
        // What goes on when nobody listens has no other way to tell of its end.
        let held = webhooks.hold(
            type: type, owner: generation.owner, objectID: generation.id,
            isBackground: isStored && generation.policy == .continuing, awaitsEnd: generation.log is DurableLog)
        guard let held else { return }
        // Whoever is told asks for the response at once: its end must be what the server has, also after a crash.
        generation.log.whenCommitted { held.release() }
    }

    private static func eventType(of status: Generation.Status) -> String? {
        switch status {
        case .completed: "response.completed"
        case .failed: "response.failed"
        case .incomplete: "response.incomplete"
        case .cancelled: "response.cancelled"
        case .queued, .inProgress: nil
        }
    }
}
