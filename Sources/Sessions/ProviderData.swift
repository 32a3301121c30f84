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

extension Item {
    /// What the provider must get back with it.
    public var provider: ProviderData? {
        let encoded = type == "reasoning" ? body["encrypted_content"] : body["interject"]?["provider_data"]
        return encoded?.string.flatMap(ProviderData.init(encoded:))
    }
}
