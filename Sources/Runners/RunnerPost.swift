package import Sessions

/// A runner's events for one response in one call, checked as a whole before any of them is applied.
package struct RunnerPost: Sendable {
    package enum Event: Sendable {
        /// Contents of a JSON string, escaped.
        case text([UInt8])
        case refusal([UInt8])
        case reasoning([UInt8])
        case step(Step)
        case functionCall(callID: String, name: String, arguments: [UInt8])
        case usage(Usage)
        case done(FinishReason)
        case error(GenerationError)

        /// Whether nothing may follow it.
        package var isLast: Bool {
            switch self {
            case .done, .error: true
            case .text, .refusal, .reasoning, .step, .functionCall, .usage: false
            }
        }
    }

    /// nil: from a client other than the runner that answers; it may report only steps.
    package let leaseID: String?
    /// 1, 2, 3, … within a lease; 0 for a post without events.
    package let number: Int
    package let events: [Event]

    package init(leaseID: String?, number: Int, events: [Event]) {
        self.leaseID = leaseID
        self.number = number
        self.events = events
    }

    var endsResponse: Bool { events.last?.isLast ?? false }
    package var steps: [Step] { events.compactMap { if case .step(let step) = $0 { step } else { nil } } }
    var stepIDs: [String] { steps.map(\.id) }
}
