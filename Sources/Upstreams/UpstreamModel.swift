public import Network
public import Sessions

/// Answers from upstreams: the router chooses one by the model's name, and the call runs on the generation's loop.
public struct UpstreamModel: Model {
    /// Chooses the upstreams.
    public let router: UpstreamRouter
    /// Indexed by loop; empty if requests are not counted.
    private let counters: [LoopBound<UpstreamCounters>]

    /// - Parameter counters: one for each loop of the group, in their order, or none.
    public init(_ router: UpstreamRouter, counters: [LoopBound<UpstreamCounters>] = []) {
        self.router = router
        self.counters = counters
    }

    /// Starts the answer to a request.
    /// - Precondition: called on an event loop.
    public func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall {
        do throws(GenerationError) {
            if router.upstreams.isEmpty {
                throw .server("no_upstream", 503, "No upstream is configured: start the server with --upstream URL.")
            }
            let model = request.parameters.model
            let groups = router.groups(for: model)
            if groups.isEmpty {
                throw GenerationError(
                    code: "model_not_found", message: "No upstream of this server has the model \(model.prefix(200)).", status: 404,
                    type: "invalid_request_error")
            }
            guard let loop = EventLoop.current else {
                throw .server("internal_error", 500, "A generation was started outside of an event loop.")
            }
            let call = UpstreamCall(
                request, through: router, groups: groups, for: sink, on: loop,
                counters: counters.isEmpty ? nil : counters[loop.index].value)
            call.start()
            return call
        } catch {
            sink.fail(error)
            return EndedCall()
        }
    }
}

/// A call that failed before it started.
private final class EndedCall: ModelCall {
    func cancel() {}
    func pause() {}
    func resume() {}
}
