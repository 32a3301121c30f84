import HTTP
import JSON
import Network
import Sessions

/// Makes the session of a chat that joins none.
struct NewSession {
    let server: ServerURL
    let key: String?
    let mode: InterjectionMode
    let loop: EventLoop

    private var place: SessionPlace { SessionPlace(server: server, key: key, sessionID: "") }

    /// - Parameter model: nil: the server's first.
    func make(model: String?) async throws(Failure) -> SessionPlace {
        let session = try await create(model: model)
        // The server has a first choice only when its operator gave one; else it is the first of what the upstreams have.
        if session.hasModel { return session.place }
        guard let first = try await firstModel() else {
            await delete(session.place)
            throw .runtime(
                """
                \(server.text): no model is offered: the upstream does not answer (see interject doctor), or name one with --model
                """)
        }
        await delete(session.place)
        return try await create(model: first).place
    }

    private func create(model: String?) async throws(Failure) -> (place: SessionPlace, hasModel: Bool) {
        // We come back after a lost connection; when we do not, nobody should pay for an answer that nobody reads.
        var body: JSONValue = ["mode": JSONValue(mode.rawValue), "disconnect": "grace=30"]
        if let model { body["model"] = JSONValue(model) }
        let answer = try await ask(
            HTTPCall.Request(method: "POST", target: "/v1/sessions", fields: place.fields, body: body.serialized()))
        let session = answer.json
        guard answer.status == 201, let id = session["id"]?.string else {
            throw .runtime("\(server.text): \(place.refusal(status: answer.status, body: answer.body))")
        }
        return (SessionPlace(server: server, key: key, sessionID: id), session["model"]?.string?.isEmpty == false)
    }

    /// Models answered by runners are not a default.
    private func firstModel() async throws(Failure) -> String? {
        for attempt in 1...Self.maxListings {
            let list = try await ask(HTTPCall.Request(target: "/v1/models", fields: place.fields)).json
            if let model = list["data"]?.array?.first(where: { $0["owned_by"]?.string != "runner" }) { return model["id"]?.string }
            if attempt < Self.maxListings { try? await Task.sleep(for: Self.listingInterval) }
        }
        return nil
    }

    /// A server asks its upstream again when it is asked itself, and answers before it knows.
    private static let maxListings = 6
    private static let listingInterval = Duration.milliseconds(300)

    /// Nobody will speak in it.
    private func delete(_ place: SessionPlace) async {
        let request = HTTPCall.Request(method: "DELETE", target: place.path, fields: place.fields)
        _ = await HTTPCall.answer(to: request, from: server, on: loop)
    }

    private func ask(_ request: HTTPCall.Request) async throws(Failure) -> HTTPFetch.Response {
        switch await HTTPCall.answer(to: request, from: server, on: loop) {
        case .failure(.tls(let words)): throw .runtime("\(server.text): \(server.advice(.tls(words)))")
        case .failure(.notHTTP(let error)):
            throw .runtime("\(server.text): what answers there is not HTTP (\(error)); if it speaks TLS, give the URL as https://")
        case .failure(let failure):
            throw .runtime("no server answers on \(server.text): \(failure) (start one with: interject serve)")
        case .success(let answer): return answer
        }
    }
}

extension HTTPFetch.Response {
    /// The body; null if it is not JSON.
    fileprivate var json: JSONValue { (try? JSONValue.parse(body)) ?? .null }
}
