import Sessions

/// Where the answer of one attempt goes: to the response's ``Sessions/GenerationSink``, directly or through a ``JoiningSink``.
protocol AnswerSink: ModelSink {
    /// That of the response.
    var target: GenerationSink { get }
    /// Changes when something of an answer has come.
    var progressCount: Int { get }
    /// Nothing more comes.
    /// - Parameter isWhole: else the answer failed.
    func conclude(isWhole: Bool)
}

extension GenerationSink: AnswerSink {
    var target: GenerationSink { self }
    var progressCount: Int { eventCount }
    func conclude(isWhole: Bool) {}
}
