/// The result of a ``SessionCommand``, as a value.
public enum SessionOutcome: Sendable, Equatable {
    case done
    /// An input was accepted and is in the log.
    case accepted(Accepted)
    /// A steer is waiting at its response for the outputs of these tool calls.
    case steerKept(callIDs: [String])
    case response(ResponseStanding)
    case summary(SessionSummary)
    case state(SessionStanding)
    /// A cursor follows the session, which was in this state.
    /// - `after`: position after which the cursor delivers all events.
    case joined(SessionStanding, after: LogPosition)
    case items([Item], hasMore: Bool)
    case byteCount(Int)
    /// A cursor follows the log, or has nothing to follow.
    case following(Following)
    /// Steps were accepted, or ignored because their response is not running.
    case steps(ResponseStanding, areTaken: Bool)
    /// The command had no effect.
    case refused(SessionError)

    /// Whether the command was refused.
    public var isRefusal: Bool { if case .refused = self { true } else { false } }

    /// The state of a cursor that was to follow the log.
    public enum Following: UInt8, Sendable {
        /// The cursor gets the events.
        case begun
        /// The same, but the client's last event may differ from the log's, and the cursor delivers events of a later epoch: the
        /// client must be told before it continues.
        case unverified
        /// There is nothing to follow; the cursor is not attached.
        case ended
    }

    /// An accepted input.
    public struct Accepted: Sendable, Equatable {
        /// The session that accepted it: a branch if the input continues an earlier response.
        public let sessionID: String
        /// The response to it.
        public let responseID: String
        /// Position of `interject:input.accepted`.
        public let position: LogPosition
        /// Nil if no response was running.
        public let mode: InterjectionMode?
        /// The response that it interrupted.
        public let interrupted: Interrupted?
        /// The response object as JSON, if requested.
        public let object: [UInt8]?
        /// The session that took it as it stood right before, if that was asked for.
        public let standing: SessionStanding?
    }
}

// Callers know the case that their command leads to. Any other one is a refusal.
extension SessionOutcome {
    private var refusal: SessionError { if case .refused(let error) = self { error } else { .unexpectedOutcome } }

    /// - Throws: the refusal, as do the other accessors.
    public func done() throws(SessionError) {
        if case .refused = self { throw refusal }
    }

    /// The accepted input.
    public func accepted() throws(SessionError) -> Accepted {
        guard case .accepted(let accepted) = self else { throw refusal }
        return accepted
    }

    /// The response.
    public func response() throws(SessionError) -> ResponseStanding {
        guard case .response(let response) = self else { throw refusal }
        return response
    }

    /// The session without its contents.
    public func summary() throws(SessionError) -> SessionSummary {
        guard case .summary(let summary) = self else { throw refusal }
        return summary
    }

    /// The session with its contents.
    public func state() throws(SessionError) -> SessionStanding {
        guard case .state(let state) = self else { throw refusal }
        return state
    }

    /// The session that a cursor follows, and the position after which it delivers events.
    public func joined() throws(SessionError) -> (standing: SessionStanding, after: LogPosition) {
        guard case .joined(let standing, let after) = self else { throw refusal }
        return (standing, after)
    }

    /// A page of items, and whether more follow.
    public func items() throws(SessionError) -> (items: [Item], hasMore: Bool) {
        guard case .items(let items, let hasMore) = self else { throw refusal }
        return (items, hasMore)
    }

    /// A size in bytes.
    public func byteCount() throws(SessionError) -> Int {
        guard case .byteCount(let count) = self else { throw refusal }
        return count
    }

    /// The state of a cursor.
    public func following() throws(SessionError) -> Following {
        guard case .following(let following) = self else { throw refusal }
        return following
    }

    /// The response of reported steps, and whether they were accepted.
    public func steps() throws(SessionError) -> (response: ResponseStanding, areTaken: Bool) {
        guard case .steps(let response, let areTaken) = self else { throw refusal }
        return (response, areTaken)
    }
}
