package import Sessions

/// The operator's settings for sessions in memory.
package struct SessionSettings: Sendable {
    /// Limits of each session.
    package var limits: SessionLimits
    /// Size of each session's newest events that stay in memory if all are in the store, in bytes.
    package var residentLogBytes: Int
    /// Total size of the logs in memory, in bytes; the oldest idle sessions leave memory first.
    package var maxLogMemoryBytes: Int
    /// How long an idle stored session stays in memory.
    package var residency: Duration
    /// How long an idle session that is in memory only exists.
    package var retention: Duration
    /// Why no response is made with these parameters, in the vocabulary that they are written in; nil if one is.
    package var refusal: @Sendable (ResponseParameters) -> SessionError?

    /// Settings with these values.
    package init(
        limits: SessionLimits, residentLogBytes: Int, maxLogMemoryBytes: Int, residency: Duration, retention: Duration,
        refusal: @escaping @Sendable (ResponseParameters) -> SessionError? = { _ in nil }
    ) {
        self.limits = limits
        self.residentLogBytes = residentLogBytes
        self.maxLogMemoryBytes = maxLogMemoryBytes
        self.residency = residency
        self.retention = retention
        self.refusal = refusal
    }
}
