/// The result of one check.
struct Finding: Equatable, Sendable {
    enum Verdict: String, Sendable {
        case ok, warn, fail
    }

    var verdict: Verdict
    /// The checked subject, in one word.
    var subject: String
    /// The result and, if it is a problem, the remedy.
    var text: String

    static func ok(_ subject: String, _ text: String) -> Finding { Finding(verdict: .ok, subject: subject, text: text) }
    static func warn(_ subject: String, _ text: String) -> Finding { Finding(verdict: .warn, subject: subject, text: text) }
    static func fail(_ subject: String, _ text: String) -> Finding { Finding(verdict: .fail, subject: subject, text: text) }

    var line: String {
        func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
        return "\(padded(verdict.rawValue, 5)) \(padded(subject, 10)) \(text)\n"
    }
}
