public import Bytes
import JSON
public import Sessions

/// Encodes events in the vocabulary of OpenAI's Responses API, and the server's own events in the forms of `Protocols/responses.md`
/// and `Protocols/sessions.md`.
///
/// A pure function of the event, the header of its response and the texts of its items: an event is encoded to the same bytes at
/// any time and for any reader.
public enum ResponsesEncoder: EventEncoder {
    /// Approximate size of the encoded event, in bytes.
    public static func byteCount(of event: SessionEvent) -> Int { event.encodedByteCount }

    /// Appends the event as a JSON object.
    public static func append(_ event: SessionEvent, to output: inout ByteBuffer) {
        if event.kind.isDelta { return appendDelta(event, to: &output) }
        output.appendJSONObject { writer in
            writer.field("type", constant: event.kind.responsesType)
            if event.responseSequence >= 0 { writer.field("sequence_number", event.responseSequence) }
            write(event, to: &writer)
        }
    }

    /// The event as a JSON object.
    public static func json(_ event: SessionEvent) -> [UInt8] {
        var buffer = ByteBuffer(capacity: event.encodedByteCount)
        append(event, to: &buffer)
        return buffer.array
    }

    /// Token path.
    private static func appendDelta(_ event: SessionEvent, to output: inout ByteBuffer) {
        guard let item = event.item else { return }
        let type = event.kind.responsesType
        // Each number has 20 digits at most, and the names and marks less than 100 bytes.
        output.reserve(160 + type.utf8CodeUnitCount + item.id.utf8.count + event.byteCount)
        output.append(reserved: "{\"type\":\"")
        output.append(reserved: type)
        output.append(reserved: "\",\"sequence_number\":")
        output.append(decimal: event.responseSequence)
        output.append(reserved: ",\"item_id\":\"")
        output.append(item.id)
        output.append(reserved: "\",\"output_index\":")
        output.append(decimal: event.outputIndex)
        if !item.isCall { output.append(reserved: ",\"content_index\":0") }
        output.append(reserved: ",\"delta\":\"")
        event.appendText(to: &output)
        output.append(event.kind == .outputTextDelta ? "\",\"logprobs\":[]}" as StaticString : "\"}" as StaticString)
    }

    private static func write(_ event: SessionEvent, to writer: inout JSONObjectWriter) {
        switch event.kind {
        case .sessionCreated: event.withJSON { writer.field("session", json: $0) }
        case .participantJoined, .participantLeft:
            if let participant = event.participant { writer.object("participant") { participant.write(to: &$0) } }
        case .inputAccepted:
            event.withJSON { writer.field("items", json: $0) }
            write(event.acceptedInput, to: &writer)
        case .cancelled: write(event.cancellation, to: &writer)
        case .rolledBack, .itemsDeleted:
            let (responseID, itemIDs) = event.removal
            if let responseID { writer.field("response_id", responseID) }
            writer.array("item_ids") { for id in itemIDs { $0.element(id) } }
        case .itemsAdded: event.withJSON { writer.field("items", json: $0) }
        case .itemsInserted:
            event.withJSON { writer.field("items", json: $0) }
            writer.field("previous_item_id", event.precedingItemID)
        case .itemReplaced: event.withJSON { writer.field("item", json: $0) }
        case .itemTruncated:
            event.withJSON { writer.field("item", json: $0) }
            if let end = event.audioEndMilliseconds { writer.field("audio_end_ms", end) } else { writer.null("audio_end_ms") }
        case .responseCreated, .responseInProgress, .responseCompleted, .responseIncomplete, .responseFailed, .responseCancelled:
            if let header = event.response, let state = event.responseState {
                writer.object("response") { state.write(header, to: &$0) }
            }
        case .steerAccepted:
            let (id, responseID) = event.steer
            writer.object("steer") {
                $0.field("id", id)
                $0.field("previous_response_id", responseID)
            }
        case .error:
            // `response.failed` follows.
            let (code, message, param) = event.failure
            FlatError.write(code: code, message: message, param: param, to: &writer)
        case .step: event.withJSON { writer.field("step", json: $0) }
        case .validation: event.verdict.write(to: &writer)
        case .outputItemAdded:
            writer.field("output_index", event.outputIndex)
            writer.field("item", event.announced?.json ?? .null)
        case .outputItemDone:
            writer.field("output_index", event.outputIndex)
            writer.field("item", event.item?.closed?.item.json ?? .null)
        default:
            if let item = event.item { write(event.kind, of: item, to: &writer) }
        }
    }

    /// Writes events of content parts and ends of texts.
    private static func write(_ kind: EventKind, of item: ResponseItem, to writer: inout JSONObjectWriter) {
        writer.field("item_id", item.id)
        writer.field("output_index", item.index)
        if !item.isCall { writer.field("content_index", 0) }
        let text = item.closed?.text ?? ""
        switch kind {
        case .contentPartAdded: writer.object("part") { writePart(item.kind, text: "", to: &$0) }
        case .contentPartDone: writer.object("part") { writePart(item.kind, text: text, to: &$0) }
        case .outputTextDone:
            writer.field("text", text)
            writer.array("logprobs") { _ in }
        case .refusalDone: writer.field("refusal", text)
        case .reasoningTextDone: writer.field("text", text)
        case .functionCallArgumentsDone:
            writer.field("name", item.name)
            writer.field("arguments", text)
        case .customToolCallInputDone: writer.field("input", text)
        default: break
        }
    }

    private static func writePart(_ kind: OutputItemKind, text: String, to writer: inout JSONObjectWriter) {
        switch kind {
        case .message:
            writer.field("type", "output_text")
            writer.field("text", text)
            writer.array("annotations") { _ in }
            writer.array("logprobs") { _ in }
        case .refusal:
            writer.field("type", "refusal")
            writer.field("refusal", text)
        case .reasoning:
            writer.field("type", "reasoning_text")
            writer.field("text", text)
        case .functionCall, .customToolCall: break
        }
    }

    private static func write(_ input: AcceptedInput, to writer: inout JSONObjectWriter) {
        writer.field("mode", input.mode?.rawValue ?? "none")
        if let (cut, response) = input.interrupted {
            writer.object("interrupted") {
                $0.field("response_id", cut.responseID)
                $0.field("item_id", response?.item(at: cut.itemIndex)?.id)
                $0.field("output_text", response?.item(at: cut.messageIndex)?.closed?.text ?? "")
                $0.field("output_tokens", cut.outputTokens)
            }
        } else {
            writer.null("interrupted")
        }
        writer.field("response_id", input.responseID)
        write(input.participant, input.clientEventID, to: &writer)
    }

    private static func write(_ cancellation: Cancellation, to writer: inout JSONObjectWriter) {
        writer.field("response_id", cancellation.responseID)
        writer.field("reason", cancellation.reason)
        write(cancellation.participant, cancellation.clientEventID, to: &writer)
    }

    private static func write(_ participant: Participant?, _ clientEventID: String?, to writer: inout JSONObjectWriter) {
        if let participant {
            writer.object("participant") { participant.write(to: &$0) }
        } else {
            writer.null("participant")
        }
        writer.field("client_event_id", clientEventID)
    }
}

extension SessionEvent {
    /// Approximate size of the JSON, in bytes.
    public var encodedByteCount: Int {
        let repeated = kind.repeatsText ? item?.closed?.text.utf8.count ?? response?.ending?.textByteCount ?? 0 : 0
        return byteCount + repeated + 256
    }
}

extension EventKind {
    /// The event's `type`: OpenAI's if there is one, otherwise the server's with the prefix `interject:`.
    public var responsesType: StaticString {
        switch self {
        case .sessionCreated: "interject:session.created"
        case .participantJoined: "interject:participant.joined"
        case .participantLeft: "interject:participant.left"
        case .inputAccepted: "interject:input.accepted"
        case .cancelled: "interject:cancelled"
        case .rolledBack: "interject:rolled_back"
        case .itemsAdded: "interject:items.added"
        case .itemsDeleted: "interject:items.deleted"
        case .itemsInserted: "interject:items.inserted"
        case .itemReplaced: "interject:item.replaced"
        case .itemTruncated: "interject:item.truncated"
        case .responseCreated: "response.created"
        case .responseInProgress: "response.in_progress"
        case .responseCompleted: "response.completed"
        case .responseIncomplete: "response.incomplete"
        case .responseFailed: "response.failed"
        case .responseCancelled: "response.cancelled"
        case .steerAccepted: "response.steer.accepted"
        case .error: "error"
        case .step: "interject:step"
        case .validation: "interject:validation"
        case .outputItemAdded: "response.output_item.added"
        case .outputItemDone: "response.output_item.done"
        case .contentPartAdded: "response.content_part.added"
        case .contentPartDone: "response.content_part.done"
        case .outputTextDelta: "response.output_text.delta"
        case .outputTextDone: "response.output_text.done"
        case .refusalDelta: "response.refusal.delta"
        case .refusalDone: "response.refusal.done"
        case .reasoningTextDelta: "response.reasoning_text.delta"
        case .reasoningTextDone: "response.reasoning_text.done"
        case .functionCallArgumentsDelta: "response.function_call_arguments.delta"
        case .functionCallArgumentsDone: "response.function_call_arguments.done"
        case .customToolCallInputDelta: "response.custom_tool_call_input.delta"
        case .customToolCallInputDone: "response.custom_tool_call_input.done"
        }
    }
}
