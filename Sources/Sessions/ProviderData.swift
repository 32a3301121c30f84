import Bytes
public import JSON

/// What the provider of a model must get back with something that the model said: signatures of reasoning, for example.
///
/// Opaque to us and to clients. It goes back, as it came, to upstreams of the dialect that it came from, and to no others.
/// Clients have it as a string: `encrypted_content` of a reasoning item, `interject.provider_data` of other items.
public struct ProviderData: Sendable, Hashable {
    /// The dialect of Chat Completions upstreams.
    public static let openAI = "openai"
    /// The dialect of Anthropic's upstreams.
    public static let anthropic = "anthropic"
    private static let prefix = "interject."
    /// Names of members that are ours, and not the provider's: what reasoning is called by the upstream, and its text.
    public static let ownMembers: Set<String> = ["member", "text"]

    /// The dialect of the upstream that it came from.
    public var dialect: String
    public var members: JSONObject

    public init(dialect: String, members: JSONObject) {
        self.dialect = dialect
        self.members = members
    }

    /// nil when the text is not ours: encrypted reasoning of OpenAI, for example.
    public init?(encoded: String) {
        guard encoded.hasPrefix(Self.prefix) else { return nil }
        let parts = encoded.dropFirst(Self.prefix.count).split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let bytes = try? Base64.decode(String(parts[1])),
            let members = (try? JSONValue.parse(bytes, limits: .received))?.object
        else { return nil }
        self.init(dialect: String(parts[0]), members: members)
    }

    /// The form for clients and for the store: `interject.DIALECT.BASE64`.
    public var encoded: String {
        let bytes = Array(members.description.utf8)
        return "\(Self.prefix)\(dialect).\(bytes.withUnsafeBytes { Base64.encode($0) })"
    }
}

extension ProviderData {
    /// Of an item as clients have it.
    public init?(ofItem item: JSONValue) {
        let isReasoning = item["type"]?.string == "reasoning"
        let text = isReasoning ? item["encrypted_content"] : item["interject"]?["provider_data"]
        guard let encoded = text?.string else { return nil }
        self.init(encoded: encoded)
    }

    /// Takes what comes later: a signature in pieces, or details of the same part.
    mutating func merge(_ later: ProviderData) {
        guard dialect == later.dialect else { return }
        for (name, value) in later.members { members[name] = Self.joined(members[name], value) }
    }

    private static func joined(_ before: JSONValue?, _ value: JSONValue) -> JSONValue {
        guard var list = before?.array, let more = value.array else { return value }
        for element in more {
            guard let last = list.last, let joined = continued(last, by: element) else {
                list.append(element)
                continue
            }
            list[list.count - 1] = joined
        }
        return .array(list)
    }

    /// Pieces of one part, as streams have them: of the same type and index; texts go on, other members are the newest.
    private static func continued(_ part: JSONValue, by piece: JSONValue) -> JSONValue? {
        guard var object = part.object, let more = piece.object, part["type"] == piece["type"], part["index"] == piece["index"],
            part["id"] == piece["id"] || part["id"]?.isNull ?? true || piece["id"]?.isNull ?? true
        else { return nil }
        // A part that was signed is whole.
        if let signature = part["signature"], !signature.isNull, piece["index"] == nil { return nil }
        for (name, value) in more where !value.isNull {
            if ["text", "summary", "data"].contains(name), let before = object[name]?.string, let text = value.string {
                object[name] = .string(before + text)
            } else {
                object[name] = value
            }
        }
        return .object(object)
    }
}

extension Item {
    /// What the provider must get back with it.
    public var provider: ProviderData? { ProviderData(ofItem: .object(body)) }
}
