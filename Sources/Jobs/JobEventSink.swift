/// Receives the ends of background work, to notify subscribers.
public protocol JobEventSink: Sendable {
    /// Reports an event, at least once: it may be reported again after a restart.
    /// - Parameters:
    ///   - type: OpenAI's name for it, such as `batch.completed`.
    ///   - owner: owner of the work.
    ///   - objectID: id of its object, such as a batch.
    func emit(type: String, owner: String, objectID: String)
}
