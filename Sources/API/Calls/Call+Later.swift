import Bytes
import HTTP
import Hosting
package import JSON
package import Jobs
package import Network
import Sessions

/// A JSON answer in the making, off the loop.
package struct JSONAnswer: Sendable {
    package var json: [UInt8]
    package var fields: [(name: String, value: String)] = []

    package init(json: [UInt8], fields: [(name: String, value: String)]) {
        self.json = json
        self.fields = fields
    }

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

/// An answer with the tag that its client may know it by.
package struct TaggedAnswer: Sendable {
    package let answer: JSONAnswer
    package let tag: String

    package init(_ answer: JSONAnswer) {
        self.answer = answer
        // FNV-1a: it tells two states of one object apart, and need not withstand anybody.
        let hash = answer.json.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        tag = "\"\(String(hash, radix: 16))\""
    }
}

extension Call {
    /// Does something that waits, off the loop, and answers with what comes of it.
    /// - Parameter deadline: how long it waits for that; then 503 is the answer.
    package func respondLater(
        within deadline: Duration = CommitWait.deadline, _ work: @escaping @Sendable () async throws(JobError) -> JSONAnswer
    ) {
        later(within: deadline, work) { call, answer in call.respond(json: answer.json, fields: answer.fields) }
    }

    /// Does something that waits, off the loop, and goes on with what comes of it; an error is the answer.
    /// - Parameters:
    ///   - deadline: how long it waits for that; then 503 is the answer.
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
                // What has a name is settled also when it comes too late to be told.
                if call.exchange.isEnded, call.onceName == nil { return }
                switch result {
                case .success(let value): then(call, value)
                case .failure(let error): call.fail(APIError(error))
                }
            }
        }
    }

    /// A disk that is full, or hangs, keeps nobody waiting for longer. What was begun goes on, and its name stands for it.
    package func failUnlessAnswered(within deadline: Duration) -> LoopTimer {
        var nameless = self
        nameless.onceName = nil
        return loop.schedule(after: deadline) { [nameless] in nameless.fail(.notCommittedInTime) }
    }

    /// Answers with JSON that is asked for again and again: with its tag, and not at all when the client has it.
    package func respond(tagged answer: JSONAnswer) { respond(TaggedAnswer(answer)) }

    package func respond(_ tagged: TaggedAnswer) {
        let fields = tagged.answer.fields + [("ETag", tagged.tag), ("Cache-Control", "no-cache")]
        let known = request.fields.noneMatch(names: tagged.tag)
        if known { exchange.respond(.notModified, fields: fields) } else { respond(json: tagged.answer.json, fields: fields) }
    }

    /// Makes a part of the answer: at once, or, if it is large, off the loop.
    /// - Parameter then: called on the loop; not when the client has gone meanwhile.
    package func compute<Value: Sendable>(
        ifLarge isLarge: Bool, _ work: @escaping @Sendable () -> Value, then: @escaping (Value) -> Void
    ) {
        guard isLarge else { return then(work()) }
        WorkerPool.shared.run(for: owner, on: loop, work) { [exchange] value in
            // What has a name is settled also when it comes too late to be told.
            if exchange.isEnded, onceName == nil { return }
            // What was done is told, though the loop is held for it: told to try again, the client would do it twice.
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
            // The reason is for the operator's log.
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
