/// How a reader is told that an answer was cut: `Protocols/clients.md`.
///
/// The log holds one truth. This is the form of one reader's copy of it: a pure function of the event and the reader's choice, so
/// that two readers of one response may have two forms, and one may change its own from call to call.
public enum CutForm: String, CaseIterable, Sendable {
    /// As it stands in the log: `response.incomplete` with our reasons, `response.cancelled`.
    case native
    /// As an answer that came to its end, for helpers that raise at every other end and lose the text with it. Only of prose: what a
    /// program would take for the whole is told by one of the other two.
    case completed
    /// As an answer that ran into its token limit: in OpenAI's own words.
    case incomplete
    /// As an answer that failed, for loops that must not go on.
    case failed
}
