/// How a reader is told that a response was cut off: `Protocols/clients.md`.
///
/// The log is the same for all readers. This is the form of one reader's copy: a pure function of the event and the reader's
/// choice, so that two readers of a response may use different forms, and one may change its form from call to call.
public enum CutForm: String, CaseIterable, Sendable {
    /// As in the log: `response.incomplete` with the server's reasons, `response.cancelled`.
    case native
    /// As a completed response, for helpers that raise an error on any other end and lose the text. For prose only: output that a
    /// program would take for complete uses one of the other two.
    case completed
    /// As a response that reached its token limit, in OpenAI's terms.
    case incomplete
    /// As a failed response, for loops that must not continue.
    case failed
}
