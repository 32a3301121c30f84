import Jobs
import Sessions

extension Webhooks {
    /// A response has come to its end. On its session's loop, in the turn that writes its terminal event.
    /// - Parameters:
    ///   - isStored: whether it can be asked for afterwards: not with `store: false`, nor when it is one request of a batch.
    ///   - isDurable: whether its end comes to the disk.
    func ended(_ generation: Generation, isStored: Bool, isDurable: Bool) {
        guard !generation.isWithdrawn, let type = Self.eventType(of: generation.status) else { return }
        // What goes on when nobody listens has no other way to tell of its end.
        let held = hold(
            type: type, owner: generation.session.owner, objectID: generation.id,
            isBackground: isStored && generation.policy == .continuing, awaitsEnd: isDurable)
        guard let held else { return }
        // Whoever is told asks for the response at once: its end must be what the server has, also after a crash.
        generation.session.log.whenCommitted { held.release() }
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
