import Bytes
import JSON
import Upstreams

/// The options of an upstream other than its URL, from a flag (`--upstream "URL weight=3 models=llama*"`) or a file.
struct UpstreamMembers: Equatable, Sendable {
    var name: String?
    var key: String?
    var models: [ModelPattern]?
    var aliases: [String: String]?
    var weight: Int?
    var priority: Int?
    var limit = UpstreamLimit()
    var connectTimeout: Duration?
    var firstByteTimeout: Duration?
    var silenceTimeout: Duration?
    /// nil: detected.
    var prefill: PrefillWay?

    static let names = [
        "name", "api_key_env", "api_key_file", "models", "aliases", "weight", "priority", "max_concurrent_requests",
        "requests_per_minute", "tokens_per_minute", "connect_timeout_s", "first_byte_timeout_s", "silence_timeout_s",
        "prefill",
    ]

    mutating func set(_ member: String, _ value: JSONValue) throws(InvalidValue) {
        switch member {
        case "name": name = try Self.name(value)
        case "api_key_env": key = try SettingValue.secret("env:" + Self.text(value))
        case "api_key_file": key = try SettingValue.secret("file:" + Self.text(value))
        case "models": models = try Self.patterns(value)
        case "aliases": aliases = try Self.aliases(value)
        case "weight": weight = try Self.count(value, 1...1000)
        case "priority": priority = try Self.count(value, 0...1000)
        case "max_concurrent_requests": limit.concurrentRequests = try Self.count(value, 1...1_000_000)
        case "requests_per_minute": limit.requestsPerMinute = try Self.count(value, 1...10_000_000)
        case "tokens_per_minute": limit.tokensPerMinute = try Self.count(value, 1...1_000_000_000)
        case "connect_timeout_s": connectTimeout = try Self.seconds(value, 0.1...3600)
        case "first_byte_timeout_s": firstByteTimeout = try Self.seconds(value, 0.1...86_400)
        case "silence_timeout_s": silenceTimeout = try Self.seconds(value, 0.1...86_400)
        case "prefill": prefill = try Self.prefill(value)
        case "api_key":
            throw InvalidValue("a key must not be in a file or flag: give api_key_env, the name of the variable that contains it")
        default: throw InvalidValue.unknownMember(of: "an upstream", Self.names)
        }
    }

    /// Sets a member like ``set(_:_:)``, from the text after the sign in `member=value`. Several model names are separated by `|`.
    mutating func set(_ member: String, text: String) throws(InvalidValue) {
        switch member {
        case "models": try set(member, .array(text.split(separator: "|").map { .string(String($0)) }))
        case "aliases": throw InvalidValue("give --map-model PUBLIC=UPSTREAM, or a file by --upstreams FILE")
        case "name", "api_key_env", "api_key_file", "api_key", "prefill": try set(member, .string(text))
        default: try set(member, (try? JSONValue.parse(text)) ?? .string(text))
        }
    }

    func apply(to upstream: inout UpstreamConfiguration) {
        if let name { upstream.name = name }
        if let key { upstream.key = key }
        if let models { upstream.models = models }
        if let aliases { upstream.modelNames = aliases }
        if let weight { upstream.weight = weight }
        if let priority { upstream.priority = priority }
        upstream.limit = limit
        if let connectTimeout { upstream.connectTimeout = connectTimeout }
        upstream.firstByteTimeout = firstByteTimeout
        if let silenceTimeout { upstream.silenceTimeout = silenceTimeout }
        upstream.prefill = prefill
    }

    // MARK: Values

    static func text(_ value: JSONValue) throws(InvalidValue) -> String {
        guard let text = value.string, !text.isEmpty else { throw InvalidValue("give a string in double quotes") }
        return text
    }

    /// The name becomes a label of metrics and a header field.
    private static func name(_ value: JSONValue) throws(InvalidValue) -> String {
        let name = try text(value)
        let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        guard isPlain, name.utf8.count <= 64 else {
            throw InvalidValue("give up to 64 letters, digits and punctuation, without spaces and quotes")
        }
        return name
    }

    static func count(_ value: JSONValue, _ range: ClosedRange<Int>) throws(InvalidValue) -> Int {
        guard let count = value.int, range.contains(count) else {
            throw InvalidValue("give a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return count
    }

    static func seconds(_ value: JSONValue, _ range: ClosedRange<Double>) throws(InvalidValue) -> Duration {
        guard let seconds = value.double, range.contains(seconds) else {
            let (low, high) = (SettingValue.decimal(range.lowerBound), SettingValue.decimal(range.upperBound))
            throw InvalidValue("give a number of seconds from \(low) to \(high)")
        }
        return Duration(saturatingSeconds: seconds)
    }

    private static func prefill(_ value: JSONValue) throws(InvalidValue) -> PrefillWay? {
        let word = try text(value)
        if word == "auto" { return nil }
        guard let way = PrefillWay(rawValue: word) else {
            let words = ["auto"] + PrefillWay.allCases.map(\.rawValue)
            throw InvalidValue("\"\(word)\" is none of \(words.joined(separator: ", "))")
        }
        return way
    }

    private static func patterns(_ value: JSONValue) throws(InvalidValue) -> [ModelPattern] {
        let texts = value.array?.compactMap(\.string).filter { !$0.isEmpty }
        guard let texts, !texts.isEmpty, texts.count == value.array?.count else {
            throw InvalidValue("give a list of names, in which * matches anything, such as [\"llama*\", \"qwen3:8b\"]")
        }
        return texts.map { ModelPattern($0) }
    }

    private static func aliases(_ value: JSONValue) throws(InvalidValue) -> [String: String] {
        var aliases: [String: String] = [:]
        for (name, own) in value.object ?? [:] {
            if let own = own.string, !own.isEmpty, !name.isEmpty { aliases[name] = own }
        }
        guard let object = value.object, object.count == aliases.count else {
            throw InvalidValue("give an object of public names and the upstream's own, such as {\"gpt-4o\": \"llama3.3\"}")
        }
        return aliases
    }
}

extension InvalidValue {
    static func unknownMember(of what: String, _ names: [String]) -> InvalidValue {
        InvalidValue("there is no such member of \(what): the members are \(names.joined(separator: ", "))")
    }
}
