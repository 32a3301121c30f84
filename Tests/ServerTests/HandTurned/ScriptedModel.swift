import Sessions

/// A model that says what a test tells it to. Loop-confined, like the generations that it answers.
final class ScriptedModel: Model, @unchecked Sendable {
    private(set) var calls: [Call] = []

    func start(_ request: ModelRequest, for generation: Generation) -> any ModelCall {
        let call = Call(generation)
        calls.append(call)
        return call
    }

    final class Call: ModelCall {
        fileprivate let generation: Generation
        private(set) var isCancelled = false
        private(set) var isPaused = false

        fileprivate init(_ generation: Generation) { self.generation = generation }

        func cancel() { isCancelled = true }
        func pause() { isPaused = true }
        func resume() { isPaused = false }
    }
}

extension ScriptedModel.Call {
    /// - Parameter text: without what JSON escapes.
    func say(_ text: String) { Array(text.utf8).withUnsafeBytes { generation.textDelta(escaped: $0) } }
    func finish() { generation.finish(.stop) }
}
