package import Hosting
package import Jobs
import SessionHosting
package import Sessions

/// Notifies webhook endpoints when responses of one loop have ended. Loop-confined.
package final class WebhookListener: GenerationListener {
    private let webhooks: Webhooks
    private let residents: Residents<Session>

    /// A listener for the sessions of one loop.
    package init(_ webhooks: Webhooks, of residents: Residents<Session>) {
        self.webhooks = webhooks
        self.residents = residents
    }

    package func ended(_ generation: Generation) {
        guard !generation.isWithdrawn, let type = Self.eventType(of: generation.status) else { return }
        // Responses with `store: false`, of a batch or beside a conversation are excluded: they cannot be retrieved afterwards.
        let isStored = !(generation.log is EphemeralLog) && outlivesConnection(generation.sessionID)
        // A response that continues without listeners has no other way to report its end.
        let held = webhooks.hold(
            type: type, owner: generation.owner, objectID: generation.id,
            isBackground: isStored && generation.policy == .continuing, awaitsEnd: generation.log is DurableLog)
        guard let held else { return }
        // The endpoint may retrieve the response at once: its end must be committed, so that a crash cannot undo it.
        generation.log.whenCommitted { held.release() }
    }

    /// Whether a session can be retrieved after its connection is gone.
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
