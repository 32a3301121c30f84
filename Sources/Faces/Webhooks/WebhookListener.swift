package import Hosting
package import Jobs
import SessionHosting
package import Sessions

/// Notifies endpoints of responses of one loop that have ended. Loop-confined.
package final class WebhookListener: GenerationListener {
    private let webhooks: Webhooks
    private let residents: Residents<Session>

    package init(_ webhooks: Webhooks, of residents: Residents<Session>) {
        self.webhooks = webhooks
        self.residents = residents
    }

    package func ended(_ generation: Generation) {
        guard !generation.isWithdrawn, let type = Self.eventType(of: generation.status) else { return }
        // Not with `store: false`, nor when it is one request of a batch, nor beside a conversation: it cannot be asked for afterwards.
        let isStored = !(generation.log is EphemeralLog) && outlivesConnection(generation.sessionID)
        // What goes on when nobody listens has no other way to tell of its end.
        let held = webhooks.hold(
            type: type, owner: generation.owner, objectID: generation.id,
            isBackground: isStored && generation.policy == .continuing, awaitsEnd: generation.log is DurableLog)
        guard let held else { return }
        // Whoever is told asks for the response at once: its end must be what the server has, also after a crash.
        generation.log.whenCommitted { held.release() }
    }

    /// Whether a session can be asked for after its connection is gone.
    private func outlivesConnection(_ sessionID: String) -> Bool {
        switch residents.lifetime(of: sessionID) {
        case .inMemory, .stored: true
        case .untilIdle, nil: false
        }
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
