import Bytes
import HTTP
import JSON

/// Extracts the useful members of an error's JSON: objects of OpenAI and Anthropic, and what frameworks and gateways make of them.
///
/// It knows member names, not servers: one traversal finds an error within an error, in a list, in a JSON string, or flat. Inner
/// errors are closer to the cause and take precedence; missing members are taken from the outer ones.
struct UpstreamErrorReader {
    private static let maxDepth = 6
    private static let maxListCount = 8
    static let errorNames = ["error", "Error", "errors", "err", "fault", "exception", "ErrorMsg", "base_resp"]
    private static let innerNames = errorNames + ["Response", "detail", "details", "message"]
    private static let wordNames = [
        "message", "msg", "Msg", "error_message", "errorMessage", "error_msg", "errmsg", "err_msg", "error_description", "Message",
        "detail",
        "details", "description", "reason", "faultstring", "status_msg", "title",
    ]
    private static let typeNames = ["type", "error_type", "errorType", "__type"]
    static let codeNames = ["code", "error_code", "errorCode", "err_code", "Code", "errcode"]
    static let statusNames = ["status", "status_code", "statusCode", "http_status", "httpStatus", "http_code"]

    private(set) var error = UpstreamErrorObject()

    // MARK: Reading

    mutating func read(_ value: JSONValue) { read(value, depth: 0) }

    private mutating func read(_ value: JSONValue, depth: Int) {
        guard depth < Self.maxDepth else { return }
        switch value {
        case .string(let text): readText(text, depth)
        case .array(let elements): readList(elements, depth)
        case .object(let object): readObject(object, depth)
        case .number: takeCode(value)
        case .null, .bool: break
        }
    }

    /// Gateways forward the body of the server behind them as a string.
    private mutating func readText(_ text: String, _ depth: Int) {
        let trimmed = text.drop { $0.isWhitespace }
        if trimmed.first == "{" || trimmed.first == "[", let value = try? JSONValue.parse(text, limits: .received) {
            var inner = UpstreamErrorReader()
            inner.read(value, depth: depth + 1)
            if inner.error.message != nil {
                fill(from: inner.error)
                return
            }
        }
        if error.message == nil, !trimmed.isEmpty { error.message = text }
    }

    private mutating func readList(_ elements: [JSONValue], _ depth: Int) {
        var words: [String] = []
        for element in elements.prefix(Self.maxListCount) {
            var inner = UpstreamErrorReader()
            inner.read(element, depth: depth + 1)
            if let message = inner.error.message, !words.contains(message) { words.append(message) }
            inner.error.message = nil
            fill(from: inner.error)
        }
        if error.message == nil, !words.isEmpty { error.message = words.joined(separator: "; ") }
    }

    private mutating func readObject(_ object: JSONObject, _ depth: Int) {
        for name in Self.innerNames {
            guard let value = object[name] else { continue }
            switch value {
            case .object(let inner) where name == "errors" && !inner.isEmpty && inner.allSatisfy({ $0.value.array != nil }):
                readFields(inner, depth)
            case .object(let inner):
                if name == "message", !Self.isWords(inner) { continue }
                read(value, depth: depth + 1)
            case .array: read(value, depth: depth + 1)
            default: break
            }
        }
        takeWords(object, depth)
        for name in Self.typeNames { if let type = object[name]?.string { takeType(type) } }
        for name in Self.codeNames { if let code = object[name] { takeCode(code) } }
        for name in Self.statusNames { if let status = object[name] { takeStatus(status) } }
        // `{"error": 429, "message": …}`
        for name in Self.errorNames { if let code = object[name], code.number != nil { takeCode(code) } }
        if error.param == nil { error.param = object["param"]?.string ?? object["parameter"]?.string }
        takeRetry(object)
        if let metadata = object["metadata"]?.object { readMetadata(metadata, depth) }
    }

    /// `{"field": ["what is wrong with it"]}`, used by ASP.NET and others.
    private mutating func readFields(_ fields: JSONObject, _ depth: Int) {
        var words: [String] = []
        for (name, list) in fields {
            guard let first = list.array?.first else { continue }
            if words.count == Self.maxListCount { break }
            words.append("\(name): \(first.string ?? UpstreamErrorObject(first).message ?? "")")
            if error.param == nil { error.param = name }
        }
        if error.message == nil, !words.isEmpty { error.message = words.joined(separator: "; ") }
    }

    private mutating func takeWords(_ object: JSONObject, _ depth: Int) {
        let member = Self.memberPath(object["loc"])
        if let member, error.param == nil { error.param = member }
        var words = Self.wordNames.compactMap { object[$0]?.string }.filter { !$0.allSatisfy(\.isWhitespace) }
        let said = object["error"]?.string ?? object["Error"]?.string
        // RFC 9457: `title` describes the class of the problem, `detail` the occurrence.
        if let title = object["title"]?.string, let detail = object["detail"]?.string, !detail.isEmpty, !detail.contains(title) {
            words = ["\(title.trimmingFullStop): \(detail)"]
        }
        switch (said, words.first) {
        case (let said?, let words?):
            // `error` is a code, or a status in words, if it stands beside a message.
            if said.contains(" ") {
                let saysNoMore = HTTPStatus.isReasonPhrase(said) || words.contains(said)
                readText(saysNoMore ? words : "\(said.trimmingFullStop): \(words)", depth)
            } else {
                readText(words, depth)
                takeType(said)
            }
        case (let said?, nil): readText(said, depth)
        case (nil, let words?): readText(member.map { "\($0): \(words)" } ?? words, depth)
        case (nil, nil): break
        }
    }

    private mutating func takeType(_ type: String) {
        // AWS: `namespace#Name:url`.
        let afterSpace = type.lastIndex(of: "#").map { type[type.index(after: $0)...] } ?? type[...]
        let name = afterSpace.hasPrefix("http") ? "" : afterSpace.prefix { $0 != ":" }
        guard error.type == nil, !name.isEmpty, name != "error", name != "about" else { return }
        error.type = String(name)
    }

    private mutating func takeCode(_ code: JSONValue) {
        if error.status == nil { error.status = Self.status(code) }
        if error.code == nil, let text = Self.text(code), !text.isEmpty { error.code = text }
    }

    private mutating func takeStatus(_ status: JSONValue) {
        if error.status == nil { error.status = Self.status(status) }
        if error.type == nil, let word = status.string, UpstreamErrorObject.status(ofWord: word) != nil { error.type = word }
    }

    private mutating func takeRetry(_ object: JSONObject) {
        if error.retryAfterSeconds != nil { return }
        if let delay = object["retryDelay"]?.string {
            error.retryAfterSeconds = RetryAfter.seconds(ofDuration: delay)
        } else if let seconds = object["retry_after"]?.double ?? object["estimated_time"]?.double {
            error.retryAfterSeconds = RetryAfter.bounded(seconds)
        }
    }

    /// OpenRouter's: the provider's error behind "Provider returned error", and the flagged content.
    private mutating func readMetadata(_ metadata: JSONObject, _ depth: Int) {
        if metadata["reasons"] != nil || metadata["flagged_input"] != nil { error.isModeration = true }
        guard let raw = metadata["raw"] else { return }
        var inner = UpstreamErrorReader()
        inner.read(raw, depth: depth + 1)
        if let words = inner.error.message {
            let outer = error.message ?? ""
            if outer.isEmpty { error.message = words } else if !outer.contains(words) { error.message = "\(outer): \(words)" }
        }
        inner.error.message = nil
        fill(from: inner.error)
    }

    private mutating func fill(from other: UpstreamErrorObject) {
        error.type = error.type ?? other.type
        error.code = error.code ?? other.code
        error.message = error.message ?? other.message
        error.param = error.param ?? other.param
        error.status = error.status ?? other.status
        error.retryAfterSeconds = error.retryAfterSeconds ?? other.retryAfterSeconds
        error.isModeration = error.isModeration || other.isModeration
    }

    // MARK: Values

    /// A number in 400 ... 599, possibly as text.
    static func status(_ value: JSONValue) -> Int? {
        guard let number = value.double ?? value.string.flatMap({ Double($0) }), let status = Int(exactly: number),
            (400...599).contains(status)
        else { return nil }
        return status
    }

    static func text(_ value: JSONValue) -> String? { value.string ?? value.number?.text }

    /// FastAPI's path of the member: `["body", "messages", 0]`.
    private static func memberPath(_ value: JSONValue?) -> String? {
        guard var path = value?.array?.prefix(maxListCount).compactMap({ text($0) }) else { return nil }
        if path.first == "body" { path.removeFirst() }
        return path.isEmpty ? nil : path.joined(separator: ".")
    }
}

extension String {
    fileprivate var trimmingFullStop: Substring { hasSuffix(".") ? dropLast() : self[...] }
}
