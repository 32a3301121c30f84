import JSON
import Network
import Sessions

extension UpstreamRouter {
    /// Time that an upstream has to say what it is; the answer that is to go on waits for it.
    private static let recognitionTimeout = Duration.seconds(2)

    /// Asks an upstream what it is, by its list of models, before the first answer that is to go on there; remembered for the
    /// upstream and the model. An upstream that cannot be reached is asked again the next time.
    func recognise(_ index: Int, model: String, on loop: EventLoop) async {
        let upstream = upstreams[index]
        guard upstream.dialect == .chatCompletions, upstream.prefill == nil else { return }
        var habits = habits(of: index, model: model)
        guard habits.server == nil, !habits.refused.contains(.prefill) else { return }
        if upstream.isOpenAI {
            habits.server = .other
        } else {
            guard let server = await Self.server(of: upstream, model: model, on: loop) else { return }
            // Others may have learnt something meanwhile.
            habits = self.habits(of: index, model: model)
            habits.server = server
        }
        learn(habits, of: index, model: model)
    }

    private static func server(of upstream: UpstreamConfiguration, model: String, on loop: EventLoop) async -> InferenceServer? {
        guard var request = try? upstream.dialect.speaker.modelsRequest(to: upstream) else { return .other }
        request.totalTimeout = recognitionTimeout
        guard case .success(let response) = await HTTPFetch.response(to: request, on: loop) else { return nil }
        switch response.status {
        case 200: return InferenceServer(models: try? JSONValue.parse(response.body), model: model, software: response.software)
        // It has no list, or none for us.
        case 400..<500, 501: return InferenceServer(models: nil, model: model, software: response.software)
        default: return nil
        }
    }
}
