/// What an input does to the response that is running when it comes. `Protocols/sessions.md`, Interjection modes.
public enum InterjectionMode: String, Sendable, CaseIterable {
    /// Cancel, keep the partial text marked incomplete, answer the new input.
    case interrupt
    /// Cancel, keep the partial text; the successor goes on with it, the new input in mind.
    case steer
    /// Answer after the current response.
    case queue
    /// Cancel and drop the partial text, answer the new input.
    case rollback
    /// Refuse the input.
    case reject
}
