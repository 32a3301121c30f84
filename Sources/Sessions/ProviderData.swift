import Bytes
public import JSON

/// Data that must be returned to a model's provider with an output item, such as signatures of reasoning.
///
/// Opaque to the server and to clients. It is returned verbatim to upstreams of the dialect that it came from, and to no others.
/// Clients see it as a string: `encrypted_content` of a reasoning item, `interject.provider_data` of other items.
public struct ProviderData: Sendable, Hashable {
    /// The dialect of Chat Completions upstreams.
    public static let openAI = "openai"
    /// The dialect of Anthropic's upstreams.
    public static let anthropic = "anthropic"
    private static let prefix = "interject."
    /// Members that the server adds to the provider's: the upstream's name for reasoning, and its text.
    public static let ownMembers: Set<String> = ["member", "text"]

    /// The dialect of the upstream that sent it.
    public var dialect: String
    /// The provider's members, and ``ownMembers``.
    public var members: JSONObject

    /// Data of a dialect.
    public init(dialect: String, members: JSONObject) {
        self.dialect = dialect
        self.members = members
    }

    /// Nil if the text was not made by ``encoded``: OpenAI's encrypted reasoning, for example.
    public init?(encoded: String) {
        guard encoded.hasPrefix(Self.prefix) else { return nil }
        let parts = encoded.dropFirst(Self.prefix.count).split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let bytes = try? Base64.decode(String(parts[1])),
            let members = (try? JSONValue.parse(bytes, limits: .received))?.object
        else { return nil }
        self.init(dialect: String(parts[0]), members: members)
    }

    /// The form for clients and the store: `interject.DIALECT.BASE64`.
    public var encoded: String {
        let bytes = Array(members.description.utf8)
        return "\(Self.prefix)\(dialect).\(bytes.withUnsafeBytes { Base64.encode($0) })"
    }
}

extension ProviderData {
    /// The data in an item as clients see it; nil if there is none.
    public init?(ofItem item: JSONValue) {
        let isReasoning = item["type"]?.string == "reasoning"
        let text = isReasoning ? item["encrypted_content"] : item["interject"]?["provider_data"]
        guard let encoded = text?.string else { return nil }
        self.init(encoded: encoded)
    }

    /// Merges data that arrives later: a signature in pieces, or details of the same part.
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

    /// Pieces of one part, as in a stream: of the same type and index. Texts are concatenated, other members replaced.
    private static func continued(_ part: JSONValue, by piece: JSONValue) -> JSONValue? {
        guard var object = part.object, let more = piece.object, part["type"] == piece["type"], part["index"] == piece["index"],
            part["id"] == piece["id"] || part["id"]?.isNull ?? true || piece["id"]?.isNull ?? true
        else { return nil }
        // A signed part is complete.
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
    /// The data to return to the provider with the item.
    public var provider: ProviderData? { ProviderData(ofItem: .object(body)) }
}
