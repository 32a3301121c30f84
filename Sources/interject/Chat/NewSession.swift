import HTTP
import JSON
import Network
import Sessions

/// Creates a session, for a chat that does not join one.
struct NewSession {
    let server: ServerURL
    let key: String?
    let mode: InterjectionMode
    let loop: EventLoop

    private var target: SessionTarget { SessionTarget(server: server, key: key, sessionID: "") }

    /// - Parameter model: nil for the server's default.
    func make(model: String?) async throws(Failure) -> SessionTarget {
        let session = try await create(model: model)
        // The server has a default only if its operator set one; otherwise the upstreams' first model is used.
        if session.hasModel { return session.target }
        guard let first = try await firstModel() else {
            await delete(session.target)
            throw .runtime(
                """
                \(server.text): no model is offered: the upstream does not answer (see interject doctor), or name one with --model
                """)
        }
        await delete(session.target)
        return try await create(model: first).target
    }

    private func create(model: String?) async throws(Failure) -> (target: SessionTarget, hasModel: Bool) {
        // The chat reconnects after an outage. If it does not, no tokens should be spent on an unread answer.
        var body: JSONValue = ["mode": JSONValue(mode.rawValue), "disconnect": "grace=30"]
        if let model { body["model"] = JSONValue(model) }
        let answer = try await ask(
            HTTPCall.Request(method: "POST", target: "/v1/sessions", fields: target.fields, body: body.serialized()))
        let session = answer.json
        guard answer.status == 201, let id = session["id"]?.string else {
            throw .runtime("\(server.text): \(target.refusal(status: answer.status, body: answer.body))")
        }
        return (SessionTarget(server: server, key: key, sessionID: id), session["model"]?.string?.isEmpty == false)
    }

    /// Models of runners are never the default.
    private func firstModel() async throws(Failure) -> String? {
        for attempt in 1...Self.maxListings {
            let list = try await ask(HTTPCall.Request(target: "/v1/models", fields: target.fields)).json
            if let model = list["data"]?.array?.first(where: { $0["owned_by"]?.string != "runner" }) { return model["id"]?.string }
            if attempt < Self.maxListings { try? await Task.sleep(for: Self.listingInterval) }
        }
        return nil
    }

    /// A server refreshes its list of models on request, but answers with the previous one meanwhile.
    private static let maxListings = 6
    private static let listingInterval = Duration.milliseconds(300)

    /// Deletes a session in which nothing was said.
    private func delete(_ target: SessionTarget) async {
        let request = HTTPCall.Request(method: "DELETE", target: target.path, fields: target.fields)
        _ = await HTTPCall.answer(to: request, from: server, on: loop)
    }

    private func ask(_ request: HTTPCall.Request) async throws(Failure) -> HTTPFetch.Response {
        switch await HTTPCall.answer(to: request, from: server, on: loop) {
        case .failure(.tls(let words)): throw .runtime("\(server.text): \(server.advice(.tls(words)))")
        case .failure(.notHTTP(let error)):
            throw .runtime("\(server.text): the answer is not HTTP (\(error)); if the server speaks TLS, give the URL as https://")
        case .failure(let failure):
            throw .runtime("no server answers on \(server.text): \(failure) (start one with: interject serve)")
        case .success(let answer): return answer
        }
    }
}

extension HTTPFetch.Response {
    /// The body as JSON; null if it is not JSON.
    fileprivate var json: JSONValue { (try? JSONValue.parse(body)) ?? .null }
}
