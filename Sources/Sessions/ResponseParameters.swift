public import JSON

/// The parameters of a response: the members of a `POST /v1/responses` body except its input.
public struct ResponseParameters: Sendable, Equatable {
    /// The model's public name.
    public var model: String
    /// Instructions to the model.
    public var instructions: String?
    /// All members verbatim (under Responses names), to echo them and for the upstream's dialect.
    public var members: JSONObject
    /// Members of a Chat Completions request to pass on verbatim; nil for any other request.
    public var chatMembers: JSONObject?

    /// Types of tools that clients run; others are run by the upstream.
    public static let clientTools: Set<String> = ["function", "custom"]

    /// Types of the tools in a Responses request that are not passed on to the upstream, without duplicates.
    public var ignoredTools: [String] {
        if chatMembers != nil { return [] }
        var types: [String] = []
        for tool in members["tools"]?.array ?? [] {
            guard let type = tool["type"]?.string, !Self.clientTools.contains(type), !types.contains(type) else { continue }
            types.append(type)
        }
        return types
    }

    /// Approximate size in memory, in bytes.
    public var byteCount: Int {
        model.utf8.count + (instructions?.utf8.count ?? 0) + members.approximateByteCount + (chatMembers?.approximateByteCount ?? 0)
    }

    /// Parameters for a model.
    public init(model: String, instructions: String? = nil, members: JSONObject = [:], chatMembers: JSONObject? = nil) {
        self.model = model
        self.instructions = instructions
        self.members = members
        self.chatMembers = chatMembers
    }
}
