import Bytes
import JSON
import JSONSchema
import Sessions

// Records as JSON in text columns. A read returns what was written, or throws: see `JSONRecord`.

extension JSONValue {
    /// An integer of a record; nil beyond ±2^53, which no clock, counter or log reaches: the file was modified.
    var storedInt: Int? { int.flatMap { (-(1 << 53)...(1 << 53)).contains($0) ? $0 : nil } }

    /// The text stored in a column.
    var columnText: String {
        var buffer = ByteBuffer()
        buffer.appendJSON(self)
        return String(decoding: buffer.array, as: UTF8.self)
    }

    static func column(_ text: String) throws -> JSONValue { try JSONValue.parse(text, limits: .own) }

    init(_ text: String?) { self = text.map { .string($0) } ?? .null }
    init(_ number: Int?) { self = number.map { JSONValue($0) } ?? .null }
}

/// A column with an invalid value.
typealias MalformedRecord = JSONRecord.Malformed

extension ResponseParameters {
    var stored: JSONValue {
        [
            "model": .string(model), "instructions": JSONValue(instructions), "members": .object(members),
            "chat_members": chatMembers.map { .object($0) } ?? .null,
        ]
    }

    init(stored: JSONValue) throws {
        let record = try JSONRecord(stored, of: "response's parameters")
        self.init(
            model: try record.required("model", \.string), instructions: try record.optional("instructions", \.string),
            members: try record.required("members", \.object), chatMembers: try record.optional("chat_members", \.object))
    }
}

extension Item {
    var stored: JSONValue {
        ["id": .string(id), "status": .string(status.rawValue), "body": .object(body), "chat": chatMessage ?? .null]
    }

    init(stored: JSONValue) throws {
        let record = try JSONRecord(stored, of: "item")
        self.init(
            id: try record.required("id", \.string),
            status: try record.required("status") { $0.string.flatMap(Item.Status.init) },
            body: try record.required("body", \.object), chatMessage: try record.optional("chat") { $0 })
    }

    /// Decodes the columns of an item.
    init(id: String, status: String, body: String, chatMessage: String? = nil) throws {
        guard let status = Item.Status(rawValue: status) else { throw MalformedRecord(record: "item", member: "status") }
        guard let body = try JSONValue.column(body).object else { throw MalformedRecord(record: "item", member: "body") }
        self.init(id: id, status: status, body: body, chatMessage: try chatMessage.map(JSONValue.column)?.unlessNull)
    }
}

extension Usage {
    var stored: JSONValue {
        [
            "input": JSONValue(inputTokens), "output": JSONValue(outputTokens), "cached": JSONValue(cachedTokens),
            "reasoning": JSONValue(reasoningTokens), "estimated": JSONValue(isEstimated),
        ]
    }

    init(stored: JSONValue) throws {
        let record = try JSONRecord(stored, of: "response's usage")
        self.init(
            inputTokens: try record.required("input", \.storedInt), outputTokens: try record.required("output", \.storedInt),
            cachedTokens: try record.required("cached", \.storedInt),
            reasoningTokens: try record.required("reasoning", \.storedInt),
            isEstimated: try record.required("estimated", \.bool))
    }
}

extension GenerationError {
    var stored: JSONValue {
        [
            "code": .string(code), "message": .string(message), "status": JSONValue(status), "type": .string(type),
            "retry_after": retryAfterSeconds.map { JSONValue($0) } ?? .null, "param": JSONValue(param),
            "forbids_retry": JSONValue(forbidsRetry),
        ]
    }

    init(stored: JSONValue) throws {
        let record = try JSONRecord(stored, of: "response's error")
        self.init(
            code: try record.required("code", \.string), message: try record.required("message", \.string),
            status: try record.required("status", \.storedInt), type: try record.required("type", \.string),
            retryAfterSeconds: try record.optional("retry_after", \.double),
            param: try record.optional("param", \.string))
        forbidsRetry = try record.optional("forbids_retry", \.bool) ?? false
    }
}

extension ResponseRoute {
    var stored: JSONValue {
        [
            "upstream": JSONValue(upstream), "attempts": JSONValue(attempts),
            "faults": .array(faults.map { [.string($0.upstream), .string($0.fault)] }), "finish": JSONValue(finishWord),
            "unnamed_calls": JSONValue(unnamedToolCallCount),
        ]
    }

    init(stored: JSONValue) throws {
        let record = try JSONRecord(stored, of: "response's route")
        let faults = try record.list("faults") { fault -> Fault? in
            guard let pair = fault.array, pair.count == 2, let upstream = pair[0].string, let word = pair[1].string else {
                return nil
            }
            return Fault(upstream: upstream, fault: word)
        }
        self.init(
            upstream: try record.optional("upstream", \.string), attempts: try record.required("attempts", \.storedInt),
            faults: faults, finishWord: try record.optional("finish", \.string),
            unnamedToolCallCount: try record.required("unnamed_calls", \.storedInt))
    }
}

extension OutputVerdict {
    var stored: JSONValue {
        switch self {
        case .valid: ["valid": true]
        case .invalid(let violation):
            ["valid": false, "path": .string(violation.path), "message": .string(violation.message)]
        }
    }

    init(stored: JSONValue) throws {
        let record = try JSONRecord(stored, of: "verdict")
        if try record.required("valid", \.bool) {
            self = .valid
        } else {
            self = .invalid(
                JSONSchema.Violation(
                    path: try record.required("path", \.string), message: try record.required("message", \.string)))
        }
    }
}

extension Step {
    var stored: JSONValue {
        [
            "id": .string(id), "kind": .string(kind), "name": JSONValue(name), "status": .string(status.rawValue),
            "title": JSONValue(title), "detail": detail ?? .null, "parent_id": JSONValue(parentID),
        ]
    }
}

extension PendingSteer {
    var stored: JSONValue { ["id": .string(id), "items": .array(items.map(\.stored))] }

    init(stored: JSONValue) throws {
        let record = try JSONRecord(stored, of: "steer")
        self.init(id: try record.required("id", \.string), items: try record.list("items", Item.init(stored:)))
    }
}

extension Generation.Conclusion {
    private static let judgingWord = "judging"

    var stored: JSONValue {
        switch self {
        case .judging: ["status": .string(Self.judgingWord)]
        case .telling(.incomplete(let reason)): ["status": "incomplete", "reason": .string(reason.rawValue)]
        case .telling(let status): ["status": .string(status.name)]
        }
    }

    init(stored: JSONValue) throws {
        let record = try JSONRecord(stored, of: "response's conclusion")
        switch try record.required("status", \.string) {
        case Self.judgingWord: self = .judging
        case "completed": self = .telling(.completed)
        case "incomplete":
            self = .telling(.incomplete(try record.required("reason") { $0.string.flatMap(Generation.IncompleteReason.init) }))
        default: throw MalformedRecord(record: "response's conclusion", member: "status")
        }
    }
}

extension GenerationRecord {
    var stored: JSONValue {
        var object: JSONObject = [
            "created_at": JSONValue(createdAt), "completed_at": JSONValue(completedAt), "parameters": parameters.stored,
            "previous_response_id": JSONValue(previousResponseID), "policy": .string(policy.text),
            "input": .array(input.map(\.stored)), "output": .array(output.map(\.stored)), "usage": usage?.stored ?? .null,
            "delta_count": JSONValue(deltaCount), "item_count": JSONValue(conversationItemCount),
            "first_sequence": JSONValue(firstSequence), "event_count": JSONValue(eventCount),
            "continues": JSONValue(continuesLastMessage), "route": route.stored,
            "verdict": verdict?.stored ?? .null, "steps": .array(steps.map(\.stored)),
            "pending_steers": .array(pendingSteers.map(\.stored)), "spent": spent?.stored ?? .null,
            "prompt_bytes": JSONValue(promptByteCount), "key_id": JSONValue(keyID), "conclusion": conclusion?.stored ?? .null,
        ]
        switch status {
        case .incomplete(let reason): object["reason"] = .string(reason.rawValue)
        case .failed(let error): object["error"] = error.stored
        case .queued, .inProgress, .completed, .cancelled: break
        }
        return .object(object)
    }

    init(id: String, ordinal: Int, status: String, stored: JSONValue) throws {
        let record = try JSONRecord(stored, of: "response")
        let ending: Generation.Status
        switch status {
        case "queued": ending = .queued
        case "in_progress": ending = .inProgress
        case "completed": ending = .completed
        case "cancelled": ending = .cancelled
        case "incomplete":
            ending = .incomplete(try record.required("reason") { $0.string.flatMap(Generation.IncompleteReason.init) })
        case "failed": ending = .failed(try record.required("error", GenerationError.init(stored:)))
        default: throw MalformedRecord(record: "response", member: "status")
        }
        self.init(
            id: id, ordinal: ordinal, createdAt: try record.required("created_at", \.storedInt),
            completedAt: try record.optional("completed_at", \.storedInt),
            parameters: try record.required("parameters", ResponseParameters.init(stored:)),
            previousResponseID: try record.optional("previous_response_id", \.string),
            policy: try record.required("policy") { $0.string.flatMap(DisconnectPolicy.init(text:)) },
            input: try record.list("input", Item.init(stored:)), output: try record.list("output", Item.init(stored:)),
            status: ending, usage: try record.optional("usage", Usage.init(stored:)),
            deltaCount: try record.required("delta_count", \.storedInt),
            conversationItemCount: try record.optional("item_count", \.storedInt),
            firstSequence: try record.optional("first_sequence", \.storedInt),
            eventCount: try record.required("event_count", \.storedInt),
            continuesLastMessage: try record.required("continues", \.bool),
            route: try record.required("route", ResponseRoute.init(stored:)),
            verdict: try record.optional("verdict", OutputVerdict.init(stored:)), steps: try record.list("steps", Step.init),
            pendingSteers: try record.list("pending_steers", PendingSteer.init(stored:)),
            spent: try record.optional("spent", Usage.init(stored:)),
            promptByteCount: try record.required("prompt_bytes", \.storedInt),
            keyID: try record.optional("key_id", \.string),
            conclusion: try record.optional("conclusion", Generation.Conclusion.init(stored:)))
    }
}
