package import JSON

/// What an upstream was found not to take of what we add to requests ourselves.
///
/// `stream_options`, the choice between the two names of the token limit, and the prefill of a continued answer are added by
/// Interject: no client's request may fail because of them.
package struct UpstreamHabits: Sendable, Hashable {
    /// Members that a request had.
    package struct Members: OptionSet, Sendable, Hashable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let streamOptions = Members(rawValue: 1)
        package static let maxTokens = Members(rawValue: 2)
        package static let maxCompletionTokens = Members(rawValue: 4)
        /// The assistant's words at the end, and what members go with them.
        package static let prefill = Members(rawValue: 8)
        /// Either name of the limit.
        static let tokenLimit: Members = [.maxTokens, .maxCompletionTokens]

        var names: [String] {
            [
                (Members.streamOptions, "stream_options"), (.maxTokens, "max_tokens"),
                (.maxCompletionTokens, "max_completion_tokens"), (.prefill, "prefill"),
            ]
            .filter { contains($0.0) }.map(\.1)
        }
    }

    /// Not sent, or under its other name.
    package private(set) var refused: Members = []
    /// What serves the models, where that was learnt.
    var server: InferenceServer?

    package init() {}

    /// The same, with more that is not sent.
    func refusing(_ members: Members) -> UpstreamHabits {
        var habits = self
        habits.refused.formUnion(members)
        return habits
    }

    /// Takes out of a body what its upstream refuses.
    /// - Returns: what it has of the members that might be refused.
    package func apply(to body: inout JSONObject) -> Members {
        if refused.contains(.streamOptions) { body["stream_options"] = nil }
        if refused.contains(.maxTokens) { Self.rename("max_tokens", to: "max_completion_tokens", in: &body) }
        if refused.contains(.maxCompletionTokens) { Self.rename("max_completion_tokens", to: "max_tokens", in: &body) }
        var members: Members = []
        for member in [Members.streamOptions, .maxTokens, .maxCompletionTokens] where body[member.names[0]] != nil {
            members.insert(member)
        }
        return members
    }

    private static func rename(_ name: String, to other: String, in body: inout JSONObject) {
        guard let value = body[name] else { return }
        body[name] = nil
        if body[other] == nil { body[other] = value }
    }

    /// Learns from a refusal.
    /// - Parameter sent: what the request had and what may be given up.
    /// - Returns: what is given up from now on; none if the refusal is about something else.
    package mutating func learn(from fault: UpstreamFault, sent: Members) -> Members {
        guard let (status, error) = fault.told else { return [] }
        let words = [error.message ?? "", error.param ?? "", error.code ?? "", error.type ?? ""].joined(separator: " ").lowercased()
        let isRefusal = status == 400 || status == 422
        if sent.contains(.prefill), Self.refusesPrefill(words, isRefusal: isRefusal) {
            refused.insert(.prefill)
            return .prefill
        }
        guard isRefusal else { return [] }
        if sent.contains(.streamOptions), words.contains("stream_options") || words.contains("include_usage") {
            refused.insert(.streamOptions)
            return .streamOptions
        }
        // A limit that is too high is named, too.
        let isUnknown = Self.wordsOfRefusal.contains { words.contains($0) }
        if sent.contains(.maxCompletionTokens), words.contains("max_completion_tokens"), isUnknown {
            refused.subtract(.tokenLimit)
            refused.insert(.maxCompletionTokens)
            return .tokenLimit
        }
        if sent.contains(.maxTokens), words.contains("max_tokens"), isUnknown || words.contains("max_completion_tokens") {
            refused.subtract(.tokenLimit)
            refused.insert(.maxTokens)
            return .tokenLimit
        }
        return []
    }

    /// Whether an error is about an assistant's message at the end. Some servers tell it as a failure of theirs. The bare word is not
    /// enough: a prefill is also what a server does with every prompt, and has workers for that are overloaded.
    private static func refusesPrefill(_ words: String, isRefusal: Bool) -> Bool {
        if wordsOfPrefill.contains(where: { words.contains($0) }) { return true }
        return isRefusal && wordsOfRefusedPrefill.contains { words.contains($0) }
    }

    private static let wordsOfPrefill = [
        "response prefill", "message prefill", "assistant prefill", "prefill is incompatible", "prefilling assistant",
        "prefill the assistant", "continue_final_message", "add_generation_prompt", "assistant messages at the end",
        "end with a user message",
    ]
    /// In a refusal alone (400, 422).
    private static let wordsOfRefusedPrefill = [
        "support prefill", "supports prefill", "prefill is not", "prefilling is not", "last message", "final message", "last role",
        "roles must alternate", "final assistant", "final `assistant`",
        "assistant message",
    ]

    private static let wordsOfRefusal = [
        "unsupported", "not supported", "unrecognized", "unrecognised", "unknown", "unexpected", "extra", "not permitted",
        "not allowed",
        "additional propert", "no such", "deprecated", "unsupported_parameter", "does not support",
    ]
}

/// What was learnt of each upstream and model: of a bound number of them, since clients name the models.
struct LearntHabits: Sendable {
    struct Key: Hashable, Sendable {
        let upstream: Int
        let model: String
    }

    static let maxCount = 256

    private var habits: [Key: UpstreamHabits] = [:]

    var count: Int { habits.count }

    subscript(key: Key) -> UpstreamHabits {
        get { habits[key] ?? UpstreamHabits() }
        set {
            // Dropped entries are learnt again at the cost of one request.
            if habits[key] == nil, habits.count >= Self.maxCount { habits = [:] }
            habits[key] = newValue
        }
    }
}
