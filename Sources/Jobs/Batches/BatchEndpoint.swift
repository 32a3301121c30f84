/// The endpoint of a batch's requests.
public enum BatchEndpoint: String, Sendable, Codable, CaseIterable {
    case chatCompletions = "/v1/chat/completions"
    case responses = "/v1/responses"
}

/// The time limit of a batch: OpenAI's `24h`, or any whole number of seconds, minutes, hours or days up to 30 days.
public struct CompletionWindow: Sendable, Hashable {
    /// As written by the client.
    public let text: String
    /// The limit in seconds, from 1.
    public let seconds: Int

    static let maxSeconds = 30 * 86_400

    /// Parses a window.
    /// - Throws: ``JobError/invalid(_:param:code:)``.
    public init(_ text: String) throws(JobError) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int(text.dropLast()), count > 0,
            text.utf8.first != UInt8(ascii: "+"), count <= Self.maxSeconds / unit
        else {
            throw .invalid(
                "'completion_window' must be '24h', or another whole number of s, m, h or d up to 30d.", param: "completion_window",
                code: "invalid_value")
        }
        self.text = text
        seconds = count * unit
    }
}
