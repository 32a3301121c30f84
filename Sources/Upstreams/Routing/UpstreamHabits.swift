package import JSON

/// The members that we add to requests and that an upstream was found to reject.
///
/// Interject itself adds `stream_options`, the choice between the two names of the token limit, and the prefill of a continued
/// answer: no client's request may fail because of them.
package struct UpstreamHabits: Sendable, Hashable {
    /// The members concerned, of one request.
    package struct Members: OptionSet, Sendable, Hashable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `stream_options`.
        package static let streamOptions = Members(rawValue: 1)
        /// `max_tokens`.
        package static let maxTokens = Members(rawValue: 2)
        /// `max_completion_tokens`.
        package static let maxCompletionTokens = Members(rawValue: 4)
        /// The trailing assistant message, and the members that accompany it.
        package static let prefill = Members(rawValue: 8)
        /// Either name of the token limit.
        static let tokenLimit: Members = [.maxTokens, .maxCompletionTokens]

        var names: [String] {
            [
                (Members.streamOptions, "stream_options"), (.maxTokens, "max_tokens"),
                (.maxCompletionTokens, "max_completion_tokens"), (.prefill, "prefill"),
            ]
            .filter { contains($0.0) }.map(\.1)
        }
    }

    /// Members that are omitted, or sent under their other name.
    package private(set) var refused: Members = []
    /// The server software, if identified.
    var server: InferenceServer?

    /// Nothing rejected, nothing identified.
    package init() {}

    /// These habits with further rejected members.
    func refusing(_ members: Members) -> UpstreamHabits {
        var habits = self
        habits.refused.formUnion(members)
        return habits
    }

    /// Removes rejected members from a body.
    /// - Returns: the members in it that might be rejected.
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

    /// Learns from a rejected request.
    /// - Parameter sent: the members in the request that may be dropped.
    /// - Returns: the members to drop from now on; empty if the rejection has another reason.
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
        // An error about an excessive limit names the member, too.
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

    /// Whether an error is about a trailing assistant message. Some servers report it as their own failure. The word "prefill"
    /// alone is not enough: servers also use it for processing any prompt, by workers that may be overloaded.
    private static func refusesPrefill(_ words: String, isRefusal: Bool) -> Bool {
        if wordsOfPrefill.contains(where: { words.contains($0) }) { return true }
        return isRefusal && wordsOfRefusedPrefill.contains { words.contains($0) }
    }

    private static let wordsOfPrefill = [
        "response prefill", "message prefill", "assistant prefill", "prefill is incompatible", "prefilling assistant",
        "prefill the assistant", "continue_final_message", "add_generation_prompt", "assistant messages at the end",
        "end with a user message",
    ]
    /// Only in a 400 or 422.
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

/// The habits of each upstream and model. Bounded in number, since clients choose the names of models.
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
            // A dropped entry is learnt again at the cost of one request.
            if habits[key] == nil, habits.count >= Self.maxCount { habits = [:] }
            habits[key] = newValue
        }
    }
}
