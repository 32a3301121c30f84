/// Receives the ends of background work, to notify subscribers.
public protocol JobEventSink: Sendable {
    /// Reports an event at least once: it may be reported again after a restart.
    /// - Parameters:
    ///   - type: OpenAI's name, such as `batch.completed`.
    ///   - owner: the owner of the work.
    ///   - objectID: the identifier of the object, such as a batch.
    func emit(type: String, owner: String, objectID: String)
}
