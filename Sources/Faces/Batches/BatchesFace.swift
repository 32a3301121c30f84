import API
import Access
import Glibc
import HTTP
import Hosting
import JSON
import Jobs
import Network
import ResponsesWire

/// OpenAI's Batch API: `Protocols/batches.md`.
package enum BatchesFace {
    /// `POST /v1/batches`
    static func create(_ call: Call) throws(APIError) {
        let engine = try call.services.faces.requireJobs().batches
        let body = try call.jsonBody()
        let inputFileID = try required("input_file_id", body)
        guard let endpoint = BatchEndpoint(rawValue: try required("endpoint", body)) else {
            throw .invalid(
                "'endpoint' must be one of \(BatchEndpoint.allCases.map(\.rawValue).joined(separator: ", ")).", param: "endpoint",
                code: "invalid_value")
        }
        let windowText = try required("completion_window", body)
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
            return answer(batch)
        }
    }

    /// How often a batch is looked at for who waits for its end.
    private static let lookInterval = Duration.milliseconds(250)

    /// `GET /v1/batches/{id}`, with when to ask again, and 304 for who knows it as it stands; with `wait` when it has ended, or the time
    /// is over.
    static func retrieve(_ call: Call, id: String) throws(APIError) {
        let engine = try call.services.faces.requireJobs().batches
        let wait = try call.count("wait", default: 0, max: 60)
        // It waits for long: it ends with its key.
        if wait > 0 { call.exchange.onDisconnect = {} }
        look(call, id: id, engine, until: call.loop.now + .seconds(wait))
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
    static func list(_ call: Call) throws(APIError) {
        let engine = try call.services.faces.requireJobs().batches
        let limit = try call.limit(default: 20, max: 100)
        let owner = call.owner
        let after = call.query["after"]
        call.respondLater { () throws(JobError) in
            let (page, hasMore) = try await engine.batches(owner: owner, after: after, limit: limit)
            return JSONAnswer { object in
                object.field("object", "list")
                object.array("data") { list in for batch in page { list.object { batch.write(to: &$0) } } }
                object.field("first_id", page.first?.id)
                object.field("last_id", page.last?.id)
                object.field("has_more", hasMore)
            }
        }
    }

    /// `POST /v1/batches/{id}/cancel`
    static func cancel(_ call: Call, id: String) throws(APIError) {
        let engine = try call.services.faces.requireJobs().batches
        let owner = call.owner
        call.respondLater { () throws(JobError) in answer(try await engine.cancel(id, owner: owner)) }
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
