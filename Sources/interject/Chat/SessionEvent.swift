import JSON
import Sessions

/// An event of a session, as far as this client needs it. See `Protocols/sessions.md`.
enum SessionEvent: Equatable {
    /// The log follows from here on; the state includes events up to `position`.
    case joined(position: LogPosition)
    /// Replaces events that are no longer in the log.
    case snapshot(position: LogPosition, activeResponseID: String?, queuedResponseIDs: [String])
    case responseCreated(id: String)
    case delta(String)
    case responseEnded(Ending)
    case accepted(Acceptance)
    case cancelled(responseID: String, reason: String)
    case participantJoined(name: String)
    /// The agent behind the model began a step.
    case step(title: String)
    case participantLeft(name: String)
    /// An error: of a command if it has the command's identifier, otherwise of the running response.
    case failure(message: String, code: String, clientEventID: String?)
    /// An event that is not shown.
    case other

    struct Ending: Equatable {
        var responseID: String
        /// `completed`, `incomplete`, `cancelled` or `failed`.
        var status: String
        var reason: String?
    }

    struct Acceptance: Equatable {
        var text: String
        var mode: String
        var cut: Cut?
        var responseID: String?
        var participant: String?
        var clientEventID: String?
    }

    /// The part of an answer that an interjection cut.
    struct Cut: Equatable {
        var text: String
        var tokens: Int
    }

    /// - Returns: the event, and its position if it is in the log.
    static func read(_ json: JSONValue) -> (event: SessionEvent, position: LogPosition?) {
        (event(json), json["interject"].flatMap(position))
    }

    private static func position(_ json: JSONValue) -> LogPosition? {
        json["sequence"]?.int.map { LogPosition(epoch: json["epoch"]?.int ?? 0, sequence: $0) }
    }

    private static func event(_ json: JSONValue) -> SessionEvent {
        switch json["type"]?.string ?? "" {
        case "interject:joined": return .joined(position: position(json) ?? .start)
        case "interject:snapshot":
            let session = json["session"]
            let queued = session?["queued"]?.array?.compactMap { $0["response_id"]?.string } ?? []
            return .snapshot(
                position: position(json) ?? .start, activeResponseID: session?["active_response"]?["id"]?.string,
                queuedResponseIDs: queued)
        case "response.created":
            // A response cancelled while queued is reported among the running one's events, and begins nothing.
            if json["response"]?["status"]?.string == "queued" { return .other }
            return .responseCreated(id: json["response"]?["id"]?.string ?? "")
        case "response.output_text.delta", "response.refusal.delta": return .delta(json["delta"]?.string ?? "")
        case "response.completed", "response.incomplete", "response.cancelled", "response.failed":
            let response = json["response"]
            return .responseEnded(
                Ending(
                    responseID: response?["id"]?.string ?? "", status: response?["status"]?.string ?? "",
                    reason: response?["incomplete_details"]?["reason"]?.string))
        case "interject:input.accepted": return .accepted(acceptance(json))
        case "interject:cancelled":
            return .cancelled(responseID: json["response_id"]?.string ?? "", reason: json["reason"]?.string ?? "cancel")
        case "interject:step":
            let step = json["step"]
            guard let title = step?["title"]?.string ?? step?["name"]?.string else { return .other }
            return .step(title: title)
        case "interject:participant.joined": return .participantJoined(name: name(json))
        case "interject:participant.left": return .participantLeft(name: name(json))
        case "error":
            let error = json["error"]?.object == nil ? json : json["error"] ?? json
            return .failure(
                message: error["message"]?.string ?? "unknown error", code: error["code"]?.string ?? "",
                clientEventID: json["client_event_id"]?.string)
        default: return .other
        }
    }

    private static func name(_ json: JSONValue) -> String { json["participant"]?["name"]?.string ?? "somebody" }

    private static func acceptance(_ json: JSONValue) -> Acceptance {
        let texts = json["items"]?.array?.flatMap { item in
            item["content"]?.string.map { [$0] } ?? item["content"]?.array?.compactMap { $0["text"]?.string } ?? []
        }
        let cut = json["interrupted"].flatMap { cut in
            cut.object == nil ? nil : Cut(text: cut["output_text"]?.string ?? "", tokens: cut["output_tokens"]?.int ?? 0)
        }
        return Acceptance(
            text: (texts ?? []).joined(separator: "\n"), mode: json["mode"]?.string ?? "none", cut: cut,
            responseID: json["response_id"]?.string, participant: json["participant"]?["name"]?.string,
            clientEventID: json["client_event_id"]?.string)
    }
}
