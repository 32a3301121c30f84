import Jobs
import Sessions

extension Webhooks {
    /// A response has come to its end. On its session's loop, in the turn that writes its terminal event.
    /// - Parameter isStored: whether it can be asked for afterwards: not with `store: false`, nor when it is one request of a batch.
    func ended(_ generation: Generation, isStored: Bool) {
        guard !generation.isWithdrawn, let type = Self.eventType(of: generation.status) else { return }
        // What goes on when nobody listens has no other way to tell of its end.
        note(
            type: type, owner: generation.session.owner, objectID: generation.id,
            isBackground: isStored && generation.policy == .continuing)
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
