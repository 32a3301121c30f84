/// What an input does to a running response. `Protocols/sessions.md`, Interjection modes.
public enum InterjectionMode: String, Sendable, CaseIterable {
    /// Cancel it, keep the partial text marked incomplete, answer the new input.
    case interrupt
    /// Cancel it and keep the partial text; the successor continues it with the new input in mind.
    case steer
    /// Answer after the current response.
    case queue
    /// Cancel it and drop the partial text, answer the new input.
    case rollback
    /// Refuse the input.
    case reject
}
