import Sessions

/// The sink of one attempt's answer: delivers to the response's ``Sessions/GenerationSink``, directly or through a ``JoiningSink``.
protocol AnswerSink: ModelSink {
    /// The response's sink.
    var target: GenerationSink { get }
    /// Changes whenever any part of the answer arrives.
    var progressCount: Int { get }
    /// Ends the answer.
    /// - Parameter isWhole: false if the answer failed.
    func conclude(isWhole: Bool)
}

extension GenerationSink: AnswerSink {
    var target: GenerationSink { self }
    var progressCount: Int { eventCount }
    func conclude(isWhole: Bool) {}
}
