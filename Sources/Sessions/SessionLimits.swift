/// Limits of a session. Operators set them; `Protocols/sessions.md` documents the defaults.
public struct SessionLimits: Sendable {
    /// Size of the events in a log, in bytes; the oldest are dropped beyond it.
    public var maxLogBytes = 8 << 20
    /// Size of a conversation as JSON, in bytes, inputs and outputs together. More than any model reads.
    public var maxConversationBytes = 32 << 20
    /// Size of one response's text, reasoning and arguments, in bytes; beyond it the response ends as `incomplete`, reason
    /// `max_output_tokens`.
    public var maxOutputBytes = 16 << 20
    /// Number of tool calls in one response; a further call ends it as `incomplete`, reason `max_output_tokens`, with these.
    public var maxToolCalls = 256
    /// Number of responses that can be looked up; the oldest are forgotten beyond it.
    public var maxResponses = 4096
    /// Number of inputs that may wait for the running response.
    public var maxQueuedInputs = 16
    /// Number of participants.
    public var maxParticipants = 256
    /// Number of attached cursors.
    public var maxCursors = 4096

    /// The defaults.
    public init() {}
}
