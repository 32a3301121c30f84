/// Takes the news that a piece of background work has ended, to tell whoever asked to be told.
public protocol JobEventSink: Sendable {
    /// An event has happened. May be called again for the same one after a restart: at least once, never less.
    /// - Parameters:
    ///   - type: OpenAI's name for it, such as `batch.completed`.
    ///   - owner: whose work it was.
    ///   - objectID: what the event is about, such as a batch's id.
    func emit(type: String, owner: String, objectID: String)
}
