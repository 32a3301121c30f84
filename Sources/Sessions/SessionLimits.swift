/// Bounds of one session. Operators set them; the defaults are documented in `Protocols/sessions.md`.
public struct SessionLimits: Sendable {
    /// Bytes of events that a log keeps; then the oldest go.
    public var maxLogBytes = 8 << 20
    /// Bytes of a conversation, as JSON: what is said and answered together. More than any model reads.
    public var maxConversationBytes = 32 << 20
    /// Bytes of one response's text, reasoning and arguments; then it ends as `incomplete`, reason `max_output_tokens`.
    public var maxOutputBytes = 16 << 20
    /// Calls of tools in one response; one more, and it ends as `incomplete`, reason `max_output_tokens`, with these.
    public var maxToolCalls = 256
    /// Responses that can be found by their identifier; then the oldest are forgotten.
    public var maxResponses = 4096
    /// Inputs that wait for the current response.
    public var maxQueuedInputs = 16
    public var maxParticipants = 256
    public var maxCursors = 4096

    public init() {}
}
