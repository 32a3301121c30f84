public import JSON

/// How a response is to be made: the members of a `POST /v1/responses` body that describe it, without its input.
public struct ResponseParameters: Sendable, Equatable {
    /// The model's public name.
    public var model: String
    public var instructions: String?
    /// All members as they came (Responses names), for echo and for the upstream's dialect.
    public var members: JSONObject
    /// Members of a Chat Completions request that are to be passed on as they came; nil when it was not one.
    public var chatMembers: JSONObject?

    /// Types of tools that clients run; others are run by whoever answers.
    public static let clientTools: Set<String> = ["function", "custom"]

    /// Types of the tools of a Responses request that no upstream is told of, each once.
    public var ignoredTools: [String] {
        if chatMembers != nil { return [] }
        var types: [String] = []
        for tool in members["tools"]?.array ?? [] {
            guard let type = tool["type"]?.string, !Self.clientTools.contains(type), !types.contains(type) else { continue }
            types.append(type)
        }
        return types
    }

    /// Bytes that they take, near enough.
    public var byteCount: Int {
        model.utf8.count + (instructions?.utf8.count ?? 0) + members.approximateByteCount + (chatMembers?.approximateByteCount ?? 0)
    }

    public init(model: String, instructions: String? = nil, members: JSONObject = [:], chatMembers: JSONObject? = nil) {
        self.model = model
        self.instructions = instructions
        self.members = members
        self.chatMembers = chatMembers
    }
}
