/// A command that a session does not carry out, with what the one who sent it may do.
public enum SessionError: Error, Sendable, Hashable {
    /// Mode `reject`, and a response is running.
    case responseInProgress(responseID: String)
    /// A cancel or steer names a response that has ended.
    case responseNotActive(responseID: String)
    /// A cancel of a session in which nothing runs.
    case noActiveResponse
    /// As many inputs wait as may.
    case tooManyQueuedInputs(limit: Int)
    /// As many steers wait for the tools of a response as may.
    case tooManyPendingSteers(limit: Int)
    /// The conversation is as long as it may be.
    case conversationTooLarge(limitBytes: Int)
    /// An item has the identifier of one that the conversation has, or gets.
    case duplicateItem(id: String)
    /// A tool's result answers no call that the conversation has.
    /// - `index`: of the item in the input.
    case resultWithoutCall(callID: String, index: Int)
    case tooManyParticipants(limit: Int)
    case tooManyCursors(limit: Int)
    /// The session was deleted while the command was under way.
    case sessionClosed

    /// The machine's word for it, as in `Protocols/sessions.md`.
    public var code: String {
        switch self {
        case .responseInProgress: "response_in_progress"
        case .responseNotActive: "response_not_active"
        case .noActiveResponse: "no_active_response"
        case .tooManyQueuedInputs: "too_many_queued_inputs"
        case .tooManyPendingSteers: "too_many_pending_steers"
        case .conversationTooLarge: "conversation_too_large"
        case .duplicateItem: "duplicate_item"
        case .resultWithoutCall: "tool_call_not_found"
        case .tooManyParticipants: "too_many_participants"
        case .tooManyCursors: "too_many_cursors"
        case .sessionClosed: "session_not_found"
        }
    }

    public var message: String {
        switch self {
        case .responseInProgress(let id):
            "Response '\(id)' is in progress and the mode is 'reject'. Wait for its end, or send the input with mode 'interrupt', 'steer', 'queue' or 'rollback'."
        case .responseNotActive(let id): "Response '\(id)' has ended: there is nothing to cancel or steer."
        case .noActiveResponse: "No response is running in this session."
        case .tooManyQueuedInputs(let limit): "\(limit) inputs wait already. Send it again when one was answered, or interrupt."
        case .tooManyPendingSteers(let limit):
            "\(limit) steers wait for the outputs of this response's tools. Send the outputs first."
        case .conversationTooLarge(let limit):
            "The conversation would pass \(limit) bytes. Begin a new session with what matters of this one."
        case .duplicateItem(let id):
            "Duplicate item found with id \(id.prefix(80)). Remove duplicate items from your input and try again: what the conversation has already is not sent again."
        case .resultWithoutCall(let callID, _):
            "No tool call found for the result with call_id '\(callID.prefix(80))'. Send it behind its call, once for each call; a call that was cut cannot be answered."
        case .tooManyParticipants(let limit): "The session has \(limit) participants already."
        case .tooManyCursors(let limit): "The session has \(limit) readers already."
        case .sessionClosed: "The session was deleted."
        }
    }
}
