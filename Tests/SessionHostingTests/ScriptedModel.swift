import Sessions

/// A model that says what a test tells it to. Loop-confined, like the generations that it answers.
final class ScriptedModel: Model, @unchecked Sendable {
    private(set) var calls: [Call] = []

    func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall {
        let call = Call(sink)
        calls.append(call)
        return call
    }

    final class Call: ModelCall {
        fileprivate let sink: GenerationSink
        private(set) var isCancelled = false
        private(set) var isPaused = false

        fileprivate init(_ sink: GenerationSink) { self.sink = sink }

        func cancel() { isCancelled = true }
        func pause() { isPaused = true }
        func resume() { isPaused = false }
    }
}

extension ScriptedModel.Call {
    /// - Parameter text: without what JSON escapes.
    func say(_ text: String) { Array(text.utf8).withUnsafeBytes { sink.textDelta(escaped: $0) } }
    func finish() { sink.finish(.stop) }
}
