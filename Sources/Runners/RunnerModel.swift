import Network
package import Sessions

/// How generations are handed to runners.
package struct RunnerOptions: Sendable {
    /// The model that runners answer for, along with all models whose names begin with it and a `/`; nil if there are no runners.
    package var model: String?
    /// How long a generation waits for a runner.
    package var offerTimeout: Duration
    /// How long a runner may stay silent before its lease ends.
    package var leaseDuration: Duration

    package init(model: String? = nil, offerTimeout: Duration, leaseDuration: Duration) {
        self.model = model
        self.offerTimeout = offerTimeout
        self.leaseDuration = leaseDuration
    }

    func isForRunner(_ name: String) -> Bool {
        guard let model else { return false }
        return name == model || name.hasPrefix(model + "/")
    }
}

/// Generates with runners, which ask for work, if the model's name is theirs; otherwise with upstreams.
package struct RunnerModel: Model {
    package let options: RunnerOptions
    package let board: RunnerBoard
    package let upstreams: any Model

    package init(options: RunnerOptions, board: RunnerBoard, upstreams: any Model) {
        self.options = options
        self.board = board
        self.upstreams = upstreams
    }

    /// - Precondition: called on an event loop.
    package func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall {
        guard options.isForRunner(request.parameters.model), let loop = EventLoop.current else {
            return upstreams.start(request, for: sink)
        }
        let call = RunnerCall(request, for: sink, on: loop, board: board, options: options)
        call.offer()
        return call
    }
}
