package import Sessions

/// What an operator can set about sessions in memory.
package struct SessionSettings: Sendable {
    package var limits: SessionLimits
    /// Bytes of the newest events of each session that stay in memory, when the store has them all.
    package var residentLogBytes: Int
    /// Bytes of all logs together; the oldest idle sessions leave memory first.
    package var maxLogMemoryBytes: Int
    /// How long a session that nobody uses stays in memory, when the store has it.
    package var residency: Duration
    /// How long a session that is only in memory exists after its last use.
    package var retention: Duration
    /// Why no response is made with these parameters, in the vocabulary that they are written in; nil if one is.
    package var refusal: @Sendable (ResponseParameters) -> SessionError?

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
