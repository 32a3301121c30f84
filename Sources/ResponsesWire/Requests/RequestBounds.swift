package import JSON
import Sessions

/// Size limits of request members that are stored, echoed in each event of a response, or used as names: `Protocols/http.md`,
/// "Bounds". A larger member is refused by name.
package enum RequestBounds {
    /// Names of models, and identifiers.
    package static let maxNameBytes = 256
    /// Identifier and name of a tool call in an item: models invent them, and clients send them back. LiteLLM puts Gemini's
    /// signatures of some 3,000 bytes into identifiers.
    package static let maxCallNameBytes = Item.maxCallNameBytes
    /// Instructions to the model, in bytes.
    package static let maxInstructionsBytes = 1 << 20
    /// Number of tools.
    package static let maxTools = 128
    /// All tools together, as JSON, in bytes.
    package static let maxToolsBytes = 1 << 20
    /// Number of metadata pairs, as in OpenAI's API.
    package static let maxMetadataPairs = 16
    /// One metadata key, in bytes.
    package static let maxMetadataKeyBytes = 64
    /// One metadata value, in bytes.
    package static let maxMetadataValueBytes = 512
    /// All other members except the input together, as JSON, in bytes.
    package static let maxOtherBytes = 1 << 20
    /// Number of values in all other members together.
    package static let maxOtherValues = 20_000

    private static let names = [
        "model", "previous_response_id", "user", "safety_identifier", "prompt_cache_key", "session_id", "response_id", "event_id",
        "stream_id", "client_event_id", "service_tier", "input_file_id",
    ]
    private static let apart: Set<String> = ["input", "messages", "items", "events", "instructions", "tools", "functions"]

    /// Validates the members of a request body, as far as present.
    package static func check(_ body: JSONObject) throws(RequestError) {
        for name in names { try checkName(body[name], param: name) }
        try checkName(body["conversation"]?["id"] ?? body["conversation"], param: "conversation")
        if let text = body["instructions"]?.string, text.utf8.count > maxInstructionsBytes {
            throw tooLong("'instructions' may have \(maxInstructionsBytes) bytes.", param: "instructions")
        }
        for name in ["tools", "functions"] { try checkTools(body[name], param: name) }
        try checkMetadata(body["metadata"])
        var (bytes, values) = (0, 0)
        for (name, value) in body where !apart.contains(name) {
            bytes += name.utf8.count + value.approximateByteCount
            values += value.valueCount
            guard bytes <= maxOtherBytes, values <= maxOtherValues else {
                throw tooLong(
                    "The members besides the input, 'instructions' and 'tools' may have \(maxOtherBytes) bytes and \(maxOtherValues) values together: '\(shown(name))' is too much.",
                    param: shown(name))
            }
        }
    }

    /// Validates the size of a name; null and missing are valid.
    package static func checkName(_ value: JSONValue?, param: String, maxBytes: Int = maxNameBytes) throws(RequestError) {
        guard let text = value?.string, text.utf8.count > maxBytes else { return }
        throw tooLong("'\(param)' may have \(maxBytes) bytes.", param: param)
    }

    private static func checkTools(_ value: JSONValue?, param: String) throws(RequestError) {
        guard let tools = value?.array else { return }
        guard tools.count <= maxTools else { throw tooLong("There may be \(maxTools) '\(param)'.", param: param) }
        var bytes = 0
        for (index, tool) in tools.enumerated() {
            bytes += tool.approximateByteCount
            if bytes > maxToolsBytes {
                throw tooLong("'\(param)' may have \(maxToolsBytes) bytes together.", param: "\(param)[\(index)]")
            }
        }
    }

    /// Validates metadata; null and missing are valid.
    package static func checkMetadata(_ value: JSONValue?) throws(RequestError) {
        guard let value, !value.isNull else { return }
        let isRight =
            value.object.map { object in
                object.count <= maxMetadataPairs
                    && object.allSatisfy {
                        $0.key.utf8.count <= maxMetadataKeyBytes
                            && ($0.value.string?.utf8.count ?? .max) <= maxMetadataValueBytes
                    }
            } ?? false
        guard isRight else {
            throw .invalid(
                "'metadata' must be an object of at most \(maxMetadataPairs) strings, with keys of at most \(maxMetadataKeyBytes) bytes and values of at most \(maxMetadataValueBytes).",
                param: "metadata")
        }
    }

    private static func tooLong(_ message: String, param: String) -> RequestError {
        .invalid(message, param: param, code: "too_long")
    }

    /// An invented name, shortened for a message.
    private static func shown(_ name: String) -> String { name.utf8.count <= 64 ? name : String(name.prefix(16)) + "…" }
}
