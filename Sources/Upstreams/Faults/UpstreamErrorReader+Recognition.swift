import JSON

/// Decides whether an object that is not part of an answer is an error. See `Protocols/upstreams.md`, What we expect.
///
/// Some errors are marked by a member `error`, a status, or the name of an error class. Others only have a message, like events
/// that inform the client about progress ("You are number 3"): those are errors only if nothing follows.
extension UpstreamErrorReader {
    private static let failures: Set<String> = [
        "error", "err", "fail", "failed", "failure", "fatal", "exception", "rejected", "denied",
    ]
    /// Members that only errors have.
    private static let errorWordNames = [
        "error_message", "errorMessage", "error_msg", "errmsg", "err_msg", "error_description", "error_code", "errorCode",
        "err_code",
        "errcode", "error_type", "errorType", "faultstring",
    ]
    private static let plainWordNames = ["message", "msg", "detail", "title", "Message"]
    private static let successes: Set<String> = ["0", "200", "success", "ok"]
    private static let keepAlives: Set<String> = ["ping", "pong", "heartbeat", "keepalive", "keep_alive", "keep-alive"]

    /// Whether the object is marked as an error.
    static func saysError(_ value: JSONValue) -> Bool {
        if let list = value.array { return list.first.map { saysError($0) } ?? false }
        guard let object = value.object else { return false }
        for name in errorNames where name != "base_resp" {
            if let value = object[name], UpstreamErrorObject(told: value) != nil { return true }
        }
        // Tencent's envelope.
        if let inner = object["Response"], saysError(inner) { return true }
        if let code = object["base_resp"]?["status_code"]?.int, code != 0 { return true }
        if object["success"]?.bool == false || object["ok"]?.bool == false { return true }
        for name in ["object", "type", "__type"] { if let word = object[name]?.string, isFailure(word) { return true } }
        if (codeNames + statusNames).contains(where: { object[$0].map(isErrorCode) ?? false }) { return true }
        if tellsSuccess(object) { return false }
        return errorWordNames.contains { name in object[name].map { !$0.saysNothing } ?? false }
    }

    /// Whether the object has a message that may be an error's, and nothing to the contrary.
    static func hasWords(_ value: JSONValue) -> Bool {
        if let list = value.array { return list.first.map { hasWords($0) } ?? false }
        guard let object = value.object, object["choices"] == nil, object["usage"] == nil, object["id"] == nil else { return false }
        if tellsSuccess(object) { return false }
        // Excludes a textual status of work in progress, and keep-alives.
        if object["status"]?.string != nil { return false }
        if let type = object["type"]?.string, keepAlives.contains(type.lowercased()) { return false }
        return plainWordNames.contains { name in
            guard let value = object[name] else { return false }
            return value.string?.isEmpty == false || value.array?.isEmpty == false || (value.object.map(isWords) ?? false)
        }
    }

    /// Whether an object in place of a message is one; a conversation's message is not.
    static func isWords(_ object: JSONObject) -> Bool { object["role"] == nil && object["content"] == nil && !object.isEmpty }

    private static func tellsSuccess(_ object: JSONObject) -> Bool {
        if object["success"]?.bool == true || object["ok"]?.bool == true { return true }
        return codeNames.contains { name in
            object[name].flatMap(text).map { successes.contains($0.lowercased()) } ?? false
        }
    }

    /// Whether a word names an error class: `failed`, `ThrottlingException`, `rate_limit_exceeded`, `RESOURCE_EXHAUSTED`. A single
    /// lower-case word may also name a type of event: `generation`, `server`.
    private static func isFailure(_ word: String) -> Bool {
        let small = word.lowercased()
        if failures.contains(small) || small.hasSuffix("error") || small.hasSuffix("exception") || small.hasSuffix("failed") {
            return true
        }
        return (word != small || word.contains("_")) && UpstreamErrorObject.status(ofWord: word) != nil
    }

    /// Whether the value is an error's status, a vendor's own error number, or an error's name.
    private static func isErrorCode(_ value: JSONValue) -> Bool {
        if let number = value.double ?? value.string.flatMap({ Double($0) }) { return number >= 400 || number < 0 }
        // Names that map to 500 are ambiguous: `generation`, `unknown`.
        return value.string.map { isFailure($0) || ![nil, 500].contains(UpstreamErrorObject.status(ofWord: $0)) } ?? false
    }
}
