package import JSON

/// The delivery of one event to one endpoint.
package struct WebhookDelivery: Sendable, Hashable {
    /// Identifies a delivery.
    package struct Key: Sendable, Hashable {
        package let eventID: String
        package let endpointID: String

        package init(eventID: String, endpointID: String) {
            self.eventID = eventID
            self.endpointID = endpointID
        }
    }

    /// The outcome so far.
    package enum State: String, Sendable {
        /// Waiting or in flight.
        case pending
        case delivered
        /// Failed after its last attempt.
        case failed
        /// Dropped in favour of newer ones, because too many were waiting.
        case dropped
    }

    /// The result of one attempt.
    package struct Attempt: Sendable, Hashable {
        /// Milliseconds since 1970.
        package let at: Int
        /// Duration in milliseconds.
        package let milliseconds: Int
        /// HTTP status code; nil without an answer.
        package let status: Int?
        /// The reason of the failure in one word; nil for a success.
        package let error: String?

        package init(at: Int, milliseconds: Int, status: Int?, error: String?) {
            self.at = at
            self.milliseconds = milliseconds
            self.status = status
            self.error = error
        }
    }

    package let event: WebhookEvent
    package let endpointID: String
    package var state = State.pending
    /// Time of the next attempt or, of a finished delivery, of its end, in milliseconds since 1970.
    package var dueAt: Int
    /// All attempts, including those of earlier rounds.
    package var attemptCount = 0
    /// Attempts in this round, which determine the next delay. A redelivery starts a new round.
    package var roundAttemptCount = 0
    /// Time of this round's first attempt, in milliseconds since 1970.
    package var roundBeganAt: Int?
    /// The most recent attempts.
    package var attempts: [Attempt] = []
    /// Whether the event was written before the end of its object was committed. If that end is lost, the delivery is discarded.
    package var awaitsEnd = false

    static let maxAttemptsKept = WebhookSchedule.attemptCount

    package init(event: WebhookEvent, endpointID: String, dueAt: Int) {
        self.event = event
        self.endpointID = endpointID
        self.dueAt = dueAt
    }

    package var key: Key { Key(eventID: event.id, endpointID: endpointID) }

    mutating func record(_ attempt: Attempt) {
        attemptCount += 1
        roundAttemptCount += 1
        roundBeganAt = roundBeganAt ?? attempt.at
        attempts.append(attempt)
        if attempts.count > Self.maxAttemptsKept { attempts.removeFirst() }
    }
}

// MARK: - Stored form

extension WebhookDelivery {
    /// The form in which the store has it.
    package var record: JSONValue {
        var record: JSONObject = [
            "event": [
                "id": .string(event.id), "type": .string(event.type), "owner": .string(event.owner),
                "object": .string(event.objectID),
                "created_at": JSONValue(event.createdAt), "test": JSONValue(event.isTest),
            ],
            "endpoint": .string(endpointID), "state": .string(state.rawValue), "due_at": JSONValue(dueAt),
            "attempt_count": JSONValue(attemptCount), "round_attempt_count": JSONValue(roundAttemptCount),
            "attempts": .array(
                attempts.map { attempt in
                    [
                        "at": JSONValue(attempt.at), "ms": JSONValue(attempt.milliseconds),
                        "status": attempt.status.map { JSONValue($0) } ?? .null,
                        "error": attempt.error.map { .string($0) } ?? .null,
                    ]
                }),
        ]
        if awaitsEnd { record["awaits_end"] = true }
        if let roundBeganAt { record["round_began_at"] = JSONValue(roundBeganAt) }
        return .object(record)
    }

    /// - Throws: ``JSON/JSONRecord/Malformed`` unless ``record`` wrote it.
    package init(record: JSONValue) throws {
        let delivery = try JSONRecord(record, of: "webhook delivery")
        self.init(
            event: try delivery.required("event", WebhookEvent.init(record:)),
            endpointID: try delivery.required("endpoint", \.string), dueAt: try delivery.required("due_at", \.int))
        state = try delivery.required("state") { $0.string.flatMap(State.init(rawValue:)) }
        awaitsEnd = try delivery.optional("awaits_end", \.bool) ?? false
        attemptCount = try delivery.required("attempt_count", \.int)
        roundAttemptCount = try delivery.required("round_attempt_count", \.int)
        roundBeganAt = try delivery.optional("round_began_at", \.int)
        attempts = try delivery.list("attempts", Attempt.init(record:))
    }
}

extension WebhookDelivery.Attempt {
    fileprivate init(record: JSONValue) throws {
        let attempt = try JSONRecord(record, of: "attempt of a webhook delivery")
        self.init(
            at: try attempt.required("at", \.int), milliseconds: try attempt.required("ms", \.int),
            status: try attempt.optional("status", \.int), error: try attempt.optional("error", \.string))
    }
}

extension WebhookEvent {
    fileprivate init(record: JSONValue) throws {
        let event = try JSONRecord(record, of: "webhook event")
        self.init(
            id: try event.required("id", \.string), type: try event.required("type", \.string),
            owner: try event.required("owner", \.string), objectID: try event.required("object", \.string),
            createdAt: try event.required("created_at", \.int), isTest: try event.required("test", \.bool))
    }
}
