public import Network
public import Sessions

/// Answers by upstreams: picks one by the model's name and calls it on the loop of the generation.
public struct UpstreamModel: Model {
    /// By preference.
    public let upstreams: [UpstreamConfiguration]
    /// By loop; empty where nobody counts.
    private let counters: [LoopBound<UpstreamCounters>]

    /// - Parameter counters: one for each loop of the group, in their order, or none.
    public init(_ upstreams: [UpstreamConfiguration], counters: [LoopBound<UpstreamCounters>] = []) {
        self.upstreams = upstreams
        self.counters = counters
    }

    /// The upstream for a public model name, and its own name for the model: the first one that maps the name, else the first.
    public func upstream(for model: String) -> (upstream: UpstreamConfiguration, model: String)? {
        for upstream in upstreams {
            if let name = upstream.modelNames[model] { return (upstream, name) }
        }
        return upstreams.first.map { ($0, model) }
    }

    /// - Precondition: called on an event loop.
    public func start(_ request: ModelRequest, for generation: Generation) -> any ModelCall {
        do throws(GenerationError) {
            guard let (upstream, model) = upstream(for: request.parameters.model) else {
                throw .server("no_upstream", 503, "No upstream is configured: start the server with --upstream URL.")
            }
            guard let loop = EventLoop.current else {
                throw .server("internal_error", 500, "A generation was started outside of an event loop.")
            }
            let call = UpstreamCall(
                try upstream.dialect.speaker.request(request, model: model, to: upstream), to: upstream,
                model: request.parameters.model, for: generation, on: loop,
                counters: counters.isEmpty ? nil : counters[loop.index].value)
            call.start()
            return call
        } catch {
            generation.fail(error)
            return EndedCall()
        }
    }
}

/// A call that failed before it began.
private final class EndedCall: ModelCall {
    func cancel() {}
    func pause() {}
    func resume() {}
}
