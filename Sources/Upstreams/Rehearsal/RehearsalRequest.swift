import JSON

/// The body of a completion request, as far as the rehearsal model uses it; both dialects share these members.
struct RehearsalRequest {
    let conversation: RehearsalConversation
    let model: String
    let isStream: Bool
    /// `stream_options.include_usage`.
    let includesUsage: Bool
    /// `max_completion_tokens` or `max_tokens`.
    let maxTokens: Int?
    let directives: RehearsalDirectives

    /// - Throws: ``RehearsalRequestError`` if the body is not a JSON object, a value has a wrong type, or there are no messages.
    init(_ bytes: [UInt8]) throws(RehearsalRequestError) {
        let body: JSONValue
        do throws(JSONError) {
            body = try JSONValue.parse(bytes)
        } catch {
            throw RehearsalRequestError("The body is not JSON: \(error).")
        }
        guard body.object != nil else { throw RehearsalRequestError("The body must be a JSON object.") }
        conversation = try RehearsalConversation(body)
        var name = body["model"]?.string ?? RehearsalEndpoint.models[0]
        if name.utf8.count > RehearsalEndpoint.maxModelNameBytes { name = String(name.prefix(64)) }
        model = name
        isStream = try Self.truth("stream", body["stream"])
        includesUsage = try Self.truth("stream_options.include_usage", body["stream_options"]?["include_usage"])
        let limit = try Self.limit("max_completion_tokens", body)
        maxTokens = if let limit { limit } else { try Self.limit("max_tokens", body) }
        do throws(RehearsalDirectiveError) {
            directives = try RehearsalDirectives(prompt: conversation.prompt, object: body["rehearsal"])
        } catch {
            throw RehearsalRequestError(
                error.description, param: error.key == "rehearsal" ? "rehearsal" : "rehearsal.\(error.key)")
        }
    }

    private static func truth(_ name: String, _ value: JSONValue?) throws(RehearsalRequestError) -> Bool {
        guard let value, !value.isNull else { return false }
        guard let truth = value.bool else { throw RehearsalRequestError("\(name) must be true or false.", param: name) }
        return truth
    }

    private static func limit(_ name: String, _ body: JSONValue) throws(RehearsalRequestError) -> Int? {
        guard let value = body[name], !value.isNull else { return nil }
        guard let limit = value.int, limit > 0 else {
            throw RehearsalRequestError("\(name) must be a whole number above 0.", param: name)
        }
        return limit
    }
}
