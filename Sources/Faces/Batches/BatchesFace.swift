import API
import Access
import Glibc
import HTTP
import Hosting
import JSON
package import Jobs
import Network
import ResponsesWire

/// OpenAI's Batch API: `Protocols/batches.md`.
package struct BatchesFace: Sendable {
    /// nil where nothing is stored.
    private let engine: BatchEngine?

    /// - Parameter engine: nil where nothing is stored.
    package init(_ engine: BatchEngine?) { self.engine = engine }

    /// - Throws: 501 where nothing is stored.
    private func requireEngine() throws(APIError) -> BatchEngine {
        guard let engine else { throw .nothingIsStored }
        return engine
    }

    /// `POST /v1/batches`
    func create(_ call: Call) throws(APIError) {
        let engine = try requireEngine()
        let body = try call.jsonBody()
        let inputFileID = try Self.required("input_file_id", body)
        guard let endpoint = BatchEndpoint(rawValue: try Self.required("endpoint", body)) else {
            throw .invalid(
                "'endpoint' must be one of \(BatchEndpoint.allCases.map(\.rawValue).joined(separator: ", ")).", param: "endpoint",
                code: "invalid_value")
        }
        let windowText = try Self.required("completion_window", body)
        let expires = try checked(try body.optionalObject("output_expires_after"))
        let window: CompletionWindow
        var outputExpires: ExpiresAfter?
        do throws(JobError) {
            window = try CompletionWindow(windowText)
            if let expires {
                outputExpires = try ExpiresAfter(
                    anchor: expires["anchor"]?.string, seconds: expires["seconds"]?.int, param: "output_expires_after")
            }
        } catch {
            throw APIError(error)
        }
        var members = JSONObject()
        if let metadata = body["metadata"], !metadata.isNull { members["metadata"] = metadata }
        try checked(try ResponsesRequest.check(members))
        let metadata = members["metadata"].map { "\($0)" }
        let caller = call.caller
        let kept = outputExpires
        call.respondLater { () throws(JobError) in
            let batch = try await engine.create(
                owner: caller.owner, keyID: caller.keyID, inputFileID: inputFileID, endpoint: endpoint, window: window,
                metadata: metadata, outputExpires: kept)
            return Self.answer(batch)
        }
    }

    /// How often a batch is checked for a client that waits for its end.
    private static let lookInterval = Duration.milliseconds(250)

    /// `GET /v1/batches/{id}`: with `Retry-After`, and 304 if the client has the current state. With `wait`, answers at the end of
    /// the batch or after that time.
    func retrieve(_ call: Call, id: String) throws(APIError) {
        let engine = try requireEngine()
        let wait = try call.count("wait", default: 0, max: 60)
        // A call that waits ends with its key.
        if wait > 0 { call.exchange.onDisconnect = {} }
        Self.look(call, id: id, engine, until: call.loop.now + .seconds(wait))
    }

    private static func look(_ call: Call, id: String, _ engine: BatchEngine, until deadline: Instant) {
        let owner = call.owner
        call.later { () throws(JobError) in
            try await engine.batch(id, owner: owner)
        } then: { call, batch in
            let isOver = batch.status.isTerminal || call.loop.now >= deadline || call.services.lifecycle.isDraining
            if isOver { return call.respond(tagged: answer(batch)) }
            call.loop.schedule(after: min(lookInterval, deadline - call.loop.now)) {
                if !call.exchange.isEnded { look(call, id: id, engine, until: deadline) }
            }
        }
    }

    /// `GET /v1/batches`
    func list(_ call: Call) throws(APIError) {
        let engine = try requireEngine()
        let limit = try call.limit(default: 20, max: 100)
        let owner = call.owner
        let after = call.query["after"]
        call.respondLater { () throws(JobError) in
            let (page, hasMore) = try await engine.batches(owner: owner, after: after, limit: limit)
            return .list(page, id: \.id, hasMore: hasMore) { $0.write(to: &$1) }
        }
    }

    /// `POST /v1/batches/{id}/cancel`
    func cancel(_ call: Call, id: String) throws(APIError) {
        let engine = try requireEngine()
        let owner = call.owner
        call.respondLater { () throws(JobError) in Self.answer(try await engine.cancel(id, owner: owner)) }
    }

    private static func answer(_ batch: Batch) -> JSONAnswer {
        let fields = batch.status.isTerminal ? [] : [("Retry-After", "\(batch.pollSeconds(now: time(nil)))")]
        return JSONAnswer(fields: fields) { batch.write(to: &$0) }
    }

    private static func required(_ key: String, _ body: JSONObject) throws(APIError) -> String {
        guard let text = try checked(try body.optionalString(key)) else {
            throw .invalid("'\(key)' is missing.", param: key, code: "missing_required_parameter")
        }
        return text
    }
}
