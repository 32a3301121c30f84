import Bytes
import HTTP
import Hosting
package import JSON
package import Jobs
package import Network
import Sessions

/// A JSON response made off the loop.
package struct JSONAnswer: Sendable {
    /// The body.
    package var json: [UInt8]
    /// Header fields.
    package var fields: [(name: String, value: String)] = []

    /// A response with this body.
    package init(json: [UInt8], fields: [(name: String, value: String)]) {
        self.json = json
        self.fields = fields
    }

    /// A response whose body is one object.
    package init(fields: [(name: String, value: String)] = [], _ body: (inout JSONObjectWriter) -> Void) {
        var buffer = ByteBuffer()
        buffer.appendJSONObject(body)
        json = buffer.array
        self.fields = fields
    }

    /// A page of a list, in OpenAI's form.
    /// - Parameters:
    ///   - id: by which a client asks for what follows.
    ///   - hasMore: whether something follows.
    ///   - write: writes the members of one object.
    package static func list<Object>(
        _ page: [Object], id: (Object) -> String, hasMore: Bool, _ write: (Object, inout JSONObjectWriter) -> Void
    ) -> JSONAnswer {
        JSONAnswer { list in
            list.field("object", "list")
            list.array("data") { data in for object in page { data.object { write(object, &$0) } } }
            list.field("first_id", page.first.map(id))
            list.field("last_id", page.last.map(id))
            list.field("has_more", hasMore)
        }
    }
}

/// A response with an entity tag (RFC 9110 §8.8.3).
package struct TaggedAnswer: Sendable {
    /// The response.
    package let answer: JSONAnswer
    /// The entity tag, with its quotes.
    package let tag: String

    /// Computes the tag of `answer`.
    package init(_ answer: JSONAnswer) {
        self.answer = answer
        // FNV-1a: distinguishes states of one object; need not resist attacks.
        let hash = answer.json.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        tag = "\"\(String(hash, radix: 16))\""
    }
}

extension Call {
    /// Runs asynchronous work off the loop, and responds with its result.
    /// - Parameter deadline: maximum duration of the work; then the response is 503.
    package func respondLater(
        within deadline: Duration = CommitWait.deadline, _ work: @escaping @Sendable () async throws(JobError) -> JSONAnswer
    ) {
        later(within: deadline, work) { call, answer in call.respond(json: answer.json, fields: answer.fields) }
    }

    /// Runs asynchronous work off the loop, and continues with its result; an error fails the call.
    /// - Parameters:
    ///   - deadline: maximum duration of the work; then the response is 503.
    ///   - then: called on the loop.
    package func later<Value: Sendable>(
        within deadline: Duration = CommitWait.deadline, _ work: @escaping @Sendable () async throws(JobError) -> Value,
        then: @escaping @Sendable (Call, Value) -> Void
    ) {
        let bound = LoopBound((call: self, timer: failUnlessAnswered(within: deadline)), on: loop)
        Task {
            let result: Result<Value, JobError>
            do throws(JobError) {
                result = .success(try await work())
            } catch {
                result = .failure(error)
            }
            bound.run { waiting in
                waiting.timer.cancel()
                let call = waiting.call
                // A command with an idempotency key is completed even if the response is too late.
                if call.exchange.isEnded, call.onceName == nil { return }
                switch result {
                case .success(let value): then(call, value)
                case .failure(let error): call.fail(APIError(error))
                }
            }
        }
    }

    /// Fails the call with 503 after `deadline`, since a full or hanging disk must not keep a client waiting. Work that was begun
    /// continues, and its idempotency key leads to its result.
    package func failUnlessAnswered(within deadline: Duration) -> LoopTimer {
        var nameless = self
        nameless.onceName = nil
        return loop.schedule(after: deadline) { [nameless] in nameless.fail(.notCommittedInTime) }
    }

    /// Responds with JSON that clients poll: with its entity tag, or 304 if the client has it.
    package func respond(tagged answer: JSONAnswer) { respond(TaggedAnswer(answer)) }

    /// Responds with a tagged answer, or 304 if the client has it.
    package func respond(_ tagged: TaggedAnswer) {
        let fields = tagged.answer.fields + [("ETag", tagged.tag), ("Cache-Control", "no-cache")]
        let known = request.fields.noneMatch(names: tagged.tag)
        if known { exchange.respond(.notModified, fields: fields) } else { respond(json: tagged.answer.json, fields: fields) }
    }

    /// Computes a part of the response: at once, or off the loop if it is large.
    /// - Parameter then: called on the loop; not if the client has disconnected.
    package func compute<Value: Sendable>(
        ifLarge isLarge: Bool, _ work: @escaping @Sendable () -> Value, then: @escaping (Value) -> Void
    ) {
        guard isLarge else { return then(work()) }
        WorkerPool.shared.run(for: owner, on: loop, work) { [exchange] value in
            // A command with an idempotency key is completed even if the response is too late.
            if exchange.isEnded, onceName == nil { return }
            // A completed change is reported even if that blocks the loop: told to retry, the client would make it twice.
            if let value { then(value) } else if isRead { fail(.overloaded) } else { then(work()) }
        }
    }

    /// The query's `limit`.
    package func limit(default missing: Int, max: Int) throws(APIError) -> Int {
        let limit = try count("limit", default: missing, max: .max)
        guard (1...max).contains(limit) else {
            throw .invalid("'limit' must be from 1 to \(max).", param: "limit", code: "invalid_value")
        }
        return limit
    }
}

extension APIError {
    /// The HTTP error for a failed job operation.
    package init(_ error: JobError) {
        switch error {
        case .invalid(let message, let param, let code): self = .invalid(message, param: param, code: code)
        case .fileNotFound(let id): self = .notFound("file", id: id, code: "file_not_found")
        case .batchNotFound(let id): self = .notFound("batch", id: id, code: "batch_not_found")
        case .fileTooLarge(let limit):
            self.init(
                status: .contentTooLarge, message: "The file is larger than \(limit) bytes.", param: "file", code: "file_too_large")
        case .quotaExceeded(let limit):
            self.init(
                status: .contentTooLarge, message: "Your files would be larger than \(limit) bytes together. Delete some first.",
                param: "file", code: "storage_quota_exceeded")
        case .tooManyBatches(let limit):
            self.init(
                status: .tooManyRequests, message: "You have \(limit) unfinished batches. Wait for one to end, or cancel one.",
                type: "rate_limit_error", code: "too_many_batches", retryAfterSeconds: 60)
        case .notCancellable(let status):
            self.init(
                status: .conflict, message: "Cannot cancel a batch with status '\(status)'.", code: "batch_not_cancellable")
        case .storageUnavailable:
            // The reason goes to the operator's log only.
            self.init(
                status: .serviceUnavailable, message: "The server cannot read or write its data now. Try again later.",
                type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
        }
    }

    /// A server that keeps nothing has no files.
    package static var nothingIsStored: APIError {
        APIError(
            status: .notImplemented,
            message: "This server keeps no data (--data none): the operator can give it a directory with --data DIR.",
            code: "storage_disabled")
    }
}
