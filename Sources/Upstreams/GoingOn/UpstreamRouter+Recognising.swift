import JSON
import Network
import Sessions

extension UpstreamRouter {
    /// Time limit for identifying an upstream; the answer to continue waits for it.
    private static let recognitionTimeout = Duration.seconds(2)

    /// Identifies an upstream by its list of models, before the first answer that continues there. The result is stored for the
    /// upstream and the model; a failed query is repeated after a minute at the earliest.
    /// - Parameter receiver: called on any thread when the query has ended, with or without a result.
    /// - Returns: nil if there is nothing to wait for.
    func recognise(
        _ index: Int, model: String, on loop: EventLoop, _ receiver: @escaping @Sendable () -> Void
    ) -> Recogniser.Ticket? {
        let upstream = upstreams[index]
        guard upstream.dialect == .chatCompletions, upstream.prefill == nil else { return nil }
        let habits = habits(of: index, model: model)
        guard habits.server == nil, !habits.refused.contains(.prefill) else { return nil }
        if upstream.isOpenAI {
            learn(.other, of: index, model: model)
            return nil
        }
        let ask: @Sendable () async -> Bool = { [self] in
            guard let server = await Self.server(of: upstream, model: model, on: loop) else { return false }
            learn(server, of: index, model: model)
            return true
        }
        return recogniser.wait(for: Recogniser.Key(upstream: index, model: model), ask: ask, receiver)
    }

    private func learn(_ server: InferenceServer, of index: Int, model: String) {
        // Other queries may have updated the habits meanwhile.
        var habits = habits(of: index, model: model)
        habits.server = server
        learn(habits, of: index, model: model)
    }

    /// Runs off the event loops: a list of models may be large.
    private static func server(of upstream: UpstreamConfiguration, model: String, on loop: EventLoop) async -> InferenceServer? {
        guard var request = try? upstream.dialect.speaker.modelsRequest(to: upstream) else { return .other }
        request.totalTimeout = recognitionTimeout
        guard case .success(let response) = await HTTPFetch.response(to: request, on: loop) else { return nil }
        switch response.status {
        case 200: return InferenceServer(models: try? JSONValue.parse(response.body), model: model, software: response.software)
        // The upstream has no list, or refuses it.
        case 400..<500, 501: return InferenceServer(models: nil, model: model, software: response.software)
        default: return nil
        }
    }
}
