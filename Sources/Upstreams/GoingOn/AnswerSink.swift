import Sessions

/// Where the answer of one attempt goes: to its ``Sessions/Generation``, directly or through a ``JoiningSink``.
protocol AnswerSink: ModelSink {
    var generation: Generation { get }
    /// Changes when something of an answer has come.
    var progressCount: Int { get }
    /// Nothing more comes.
    /// - Parameter isWhole: else the answer failed.
    func conclude(isWhole: Bool)
}

extension Generation: AnswerSink {
    var generation: Generation { self }
    var progressCount: Int { eventCount }
    func conclude(isWhole: Bool) {}
}
