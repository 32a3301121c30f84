/// Bounds of one session. Operators set them; the defaults are documented in `Protocols/sessions.md`.
public struct SessionLimits: Sendable {
    /// Bytes of events that a log keeps; then the oldest go.
    public var maxLogBytes = 8 << 20
    /// Inputs that wait for the current response.
    public var maxQueuedInputs = 16
    public var maxParticipants = 256
    public var maxCursors = 4096

    public init() {}
}
