/// What came of a ``SessionCommand``, as a value.
public enum SessionOutcome: Sendable, Equatable {
    case done
    /// An input stands in the log.
    case accepted(Accepted)
    /// A steer waits at its response for the outputs of these tool calls.
    case steerKept(callIDs: [String])
    case response(ResponseStanding)
    case summary(SessionSummary)
    case state(SessionStanding)
    /// A cursor follows the session, which stood like this.
    /// - `after`: position after which all events are the cursor's.
    case joined(SessionStanding, after: LogPosition)
    case items([Item], hasMore: Bool)
    case byteCount(Int)
    /// What comes of a cursor that was to follow the log.
    case following(Following)
    /// Steps were told of, or left out since their response does not run.
    case steps(ResponseStanding, areTaken: Bool)
    /// Nothing was done.
    case refused(SessionError)

    public var isRefusal: Bool { if case .refused = self { true } else { false } }

    public enum Following: UInt8, Sendable {
        /// The cursor gets the events.
        case begun
        /// The same, but an event that the client says it has may be another than the log's, whose events of a later epoch the cursor
        /// gets: it must look before it says that it goes on.
        case unverified
        /// There is nothing to come, and the cursor is not attached.
        case ended
    }

    /// An input that was taken in.
    public struct Accepted: Sendable, Equatable {
        /// The session that took it: a branch, where the input goes on from an earlier response.
        public let sessionID: String
        /// The response that answers.
        public let responseID: String
        /// Position of `interject:input.accepted`.
        public let position: LogPosition
        /// nil: nothing was running.
        public let mode: InterjectionMode?
        public let interrupted: Interrupted?
        /// The response object as JSON, if that was asked for.
        public let object: [UInt8]?
        /// The session that took it as it stood right before, if that was asked for.
        public let standing: SessionStanding?
    }
}

// A caller knows the case that its command comes to. Every other one is a refusal.
extension SessionOutcome {
    private var refusal: SessionError { if case .refused(let error) = self { error } else { .unexpectedOutcome } }

    /// - Throws: the refusal.
    public func done() throws(SessionError) {
        if case .refused = self { throw refusal }
    }

    public func accepted() throws(SessionError) -> Accepted {
        guard case .accepted(let accepted) = self else { throw refusal }
        return accepted
    }

    public func response() throws(SessionError) -> ResponseStanding {
        guard case .response(let response) = self else { throw refusal }
        return response
    }

    public func summary() throws(SessionError) -> SessionSummary {
        guard case .summary(let summary) = self else { throw refusal }
        return summary
    }

    public func state() throws(SessionError) -> SessionStanding {
        guard case .state(let state) = self else { throw refusal }
        return state
    }

    public func joined() throws(SessionError) -> (standing: SessionStanding, after: LogPosition) {
        guard case .joined(let standing, let after) = self else { throw refusal }
        return (standing, after)
    }

    public func items() throws(SessionError) -> (items: [Item], hasMore: Bool) {
        guard case .items(let items, let hasMore) = self else { throw refusal }
        return (items, hasMore)
    }

    public func byteCount() throws(SessionError) -> Int {
        guard case .byteCount(let count) = self else { throw refusal }
        return count
    }

    public func following() throws(SessionError) -> Following {
        guard case .following(let following) = self else { throw refusal }
        return following
    }

    public func steps() throws(SessionError) -> (response: ResponseStanding, areTaken: Bool) {
        guard case .steps(let response, let areTaken) = self else { throw refusal }
        return (response, areTaken)
    }
}
