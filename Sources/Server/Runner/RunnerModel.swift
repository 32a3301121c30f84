import Network
import Sessions

/// How generations are handed to runners.
struct RunnerOptions: Sendable {
    /// The model's name; those that begin with it and a `/` are for runners, too. nil: there are none.
    var model: String?
    /// How long a generation waits for a runner.
    var offerTimeout: Duration
    /// How long a runner may say nothing.
    var leaseDuration: Duration

    func isForRunner(_ name: String) -> Bool {
        guard let model else { return false }
        return name == model || name.hasPrefix(model + "/")
    }
}

/// Answers by runners, which come and ask for work, where the model's name says so; else by upstreams.
struct RunnerModel: Model {
    let options: RunnerOptions
    let board: RunnerBoard
    let upstreams: any Model

    /// - Precondition: called on an event loop.
    func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall {
        guard options.isForRunner(request.parameters.model), let loop = EventLoop.current else {
            return upstreams.start(request, for: sink)
        }
        let call = RunnerCall(request, for: sink, on: loop, board: board, options: options)
        call.offer()
        return call
    }
}
