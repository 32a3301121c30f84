import Bytes
import JSON
import Sessions

// Records as JSON in columns of text. Members may be added; those of old files may be missing.

extension JSONValue {
    /// As it stands in a column.
    var columnText: String {
        var buffer = ByteBuffer()
        buffer.appendJSON(self)
        return String(decoding: buffer.array, as: UTF8.self)
    }

    static func column(_ text: String) throws -> JSONValue { try JSONValue.parse(text, limits: .own) }

    init(_ text: String?) { self = text.map { .string($0) } ?? .null }
    init(_ number: Int?) { self = number.map { JSONValue($0) } ?? .null }
}

/// A column that does not hold what it must.
struct MalformedRecord: Error, CustomStringConvertible {
    let what: String
    var description: String { "a \(what) in the database is malformed" }
}

extension ResponseParameters {
    var stored: JSONValue {
        [
            "model": .string(model), "instructions": JSONValue(instructions), "members": .object(members),
            "chat_members": chatMembers.map { .object($0) } ?? .null,
        ]
    }

    init(stored: JSONValue) throws {
        guard let model = stored["model"]?.string else { throw MalformedRecord(what: "response's parameters") }
        self.init(
            model: model, instructions: stored["instructions"]?.string, members: stored["members"]?.object ?? [:],
            chatMembers: stored["chat_members"]?.object)
    }
}

extension Item {
    var stored: JSONValue {
        ["id": .string(id), "status": .string(status.rawValue), "body": .object(body), "chat": chatMessage ?? .null]
    }

    init(stored: JSONValue) throws {
        guard let id = stored["id"]?.string, let body = stored["body"]?.object else { throw MalformedRecord(what: "item") }
        let chat = stored["chat"].flatMap { $0.isNull ? nil : $0 }
        self.init(
            id: id, status: stored["status"]?.string.flatMap(Item.Status.init) ?? .completed, body: body, chatMessage: chat)
    }
}

extension Usage {
    var stored: JSONValue {
        [
            "input": JSONValue(inputTokens), "output": JSONValue(outputTokens), "cached": JSONValue(cachedTokens),
            "reasoning": JSONValue(reasoningTokens), "estimated": JSONValue(isEstimated),
        ]
    }

    init(stored: JSONValue) {
        self.init(
            inputTokens: stored["input"]?.int ?? 0, outputTokens: stored["output"]?.int ?? 0,
            cachedTokens: stored["cached"]?.int ?? 0, reasoningTokens: stored["reasoning"]?.int ?? 0,
            isEstimated: stored["estimated"]?.bool ?? false)
    }
}

extension GenerationError {
    var stored: JSONValue {
        [
            "code": .string(code), "message": .string(message), "status": JSONValue(status), "type": .string(type),
            "retry_after": retryAfterSeconds.map { JSONValue($0) } ?? .null,
        ]
    }

    init(stored: JSONValue) {
        self.init(
            code: stored["code"]?.string ?? "server_error", message: stored["message"]?.string ?? "",
            status: stored["status"]?.int ?? 500, type: stored["type"]?.string ?? "server_error",
            retryAfterSeconds: stored["retry_after"]?.double)
    }
}

extension ResponseRoute {
    var stored: JSONValue {
        [
            "upstream": JSONValue(upstream), "attempts": JSONValue(attempts),
            "faults": .array(faults.map { [.string($0.upstream), .string($0.fault)] }),
        ]
    }

    init(stored: JSONValue) {
        let faults = (stored["faults"]?.array ?? []).compactMap { fault -> Fault? in
            guard let pair = fault.array, pair.count == 2, let upstream = pair[0].string, let word = pair[1].string else {
                return nil
            }
            return Fault(upstream: upstream, fault: word)
        }
        self.init(upstream: stored["upstream"]?.string, attempts: stored["attempts"]?.int ?? 0, faults: faults)
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

    init?(stored: JSONValue) {
        switch stored["valid"]?.bool {
        case true?: self = .valid
        case false?:
            self = .invalid(
                JSONSchema.Violation(path: stored["path"]?.string ?? "", message: stored["message"]?.string ?? ""))
        case nil: return nil
        }
    }
}

extension Step {
    var stored: JSONValue {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { write(to: &$0) }
        return (try? JSONValue.parse(buffer.bytes, limits: .own)) ?? .null
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
            "verdict": verdict?.stored ?? .null,
        ]
        if !steps.isEmpty { object["steps"] = .array(steps.map(\.stored)) }
        switch status {
        case .incomplete(let reason): object["reason"] = .string(reason.rawValue)
        case .failed(let error): object["error"] = error.stored
        case .queued, .inProgress, .completed, .cancelled: break
        }
        return .object(object)
    }

    init(id: String, status: String, stored: JSONValue) throws {
        guard let createdAt = stored["created_at"]?.int, let parameters = stored["parameters"],
            let policy = stored["policy"]?.string.flatMap(DisconnectPolicy.init(text:))
        else { throw MalformedRecord(what: "response") }
        let ending: Generation.Status
        switch status {
        case "queued": ending = .queued
        case "in_progress": ending = .inProgress
        case "completed": ending = .completed
        case "cancelled": ending = .cancelled
        case "incomplete":
            ending = .incomplete(stored["reason"]?.string.flatMap(Generation.IncompleteReason.init) ?? .interrupted)
        case "failed": ending = .failed(GenerationError(stored: stored["error"] ?? .null))
        default: throw MalformedRecord(what: "response's status")
        }
        self.init(
            id: id, createdAt: createdAt, completedAt: stored["completed_at"]?.int,
            parameters: try ResponseParameters(stored: parameters), previousResponseID: stored["previous_response_id"]?.string,
            policy: policy, input: try (stored["input"]?.array ?? []).map(Item.init(stored:)),
            output: try (stored["output"]?.array ?? []).map(Item.init(stored:)), status: ending,
            usage: stored["usage"].flatMap { $0.isNull ? nil : Usage(stored: $0) }, deltaCount: stored["delta_count"]?.int ?? 0,
            conversationItemCount: stored["item_count"]?.int, firstSequence: stored["first_sequence"]?.int,
            eventCount: stored["event_count"]?.int ?? 0, continuesLastMessage: stored["continues"]?.bool ?? false,
            route: ResponseRoute(stored: stored["route"] ?? .null),
            verdict: stored["verdict"].flatMap(OutputVerdict.init(stored:)),
            steps: (stored["steps"]?.array ?? []).compactMap { Step($0) })
    }
}
