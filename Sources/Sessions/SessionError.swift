/// A command that a session refuses, with advice for its sender.
public enum SessionError: Error, Sendable, Hashable {
    /// A response is running, and the mode is `reject`.
    case responseInProgress(responseID: String)
    /// The response to cancel or steer has ended.
    case responseNotActive(responseID: String)
    /// There is no running response to cancel.
    case noActiveResponse
    /// The maximum number of inputs is waiting.
    case tooManyQueuedInputs(limit: Int)
    /// The maximum number of steers is waiting for the response's tools.
    case tooManyPendingSteers(limit: Int)
    /// The conversation has reached its maximum size.
    case conversationTooLarge(limitBytes: Int)
    /// An item has the identifier of another one in the conversation, or about to be added.
    case duplicateItem(id: String)
    /// A tool result answers no preceding call, or a change would separate a result from its call.
    /// - `index`: index of the item in the input.
    case resultWithoutCall(callID: String, index: Int)
    case tooManyParticipants(limit: Int)
    case tooManyCursors(limit: Int)
    /// The session was deleted before the command was performed.
    case sessionClosed
    case responseNotFound(String)
    /// The client's last event of a response is no longer in the log, or may never have been.
    case eventsExpired(responseID: String)
    /// The response that an input continues does not exist here, or is still running.
    case previousResponseNotFound(String)
    /// The response to steer has already completed.
    case responseAlreadyCompleted(responseID: String)
    /// The successor of a steered response cannot be created.
    indirect case successorRefused(SessionError)
    case itemNotFound(String)
    /// The item to truncate is not a message.
    case itemNotTruncatable(String)
    /// The list does not have the item that a page is to follow.
    case itemNotInList(String)
    case tooManySteps(limit: Int)
    /// The input names no model, the session has none, and no upstream has reported any.
    case missingModel
    /// The host cannot create a response with these parameters.
    case parameterRefused(message: String, param: String?, code: String?)
    /// The effect could not be committed in time and was withdrawn.
    case notCommitted
    /// The outcome is not possible for the command: it was made by another version.
    case unexpectedOutcome

    /// Whether it is about the items of the command, not about what they are for.
    public var isOfItems: Bool {
        switch self {
        case .duplicateItem, .resultWithoutCall: true
        default: false
        }
    }

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
        case .responseNotFound: "response_not_found"
        case .eventsExpired: "events_expired"
        case .previousResponseNotFound: "previous_response_not_found"
        case .responseAlreadyCompleted: "response_already_completed"
        case .successorRefused: "successor_creation_failed"
        case .itemNotFound: "item_not_found"
        case .itemNotTruncatable: "item_not_truncatable"
        case .itemNotInList: "invalid_value"
        case .tooManySteps: "too_many_steps"
        case .missingModel: "missing_required_parameter"
        case .parameterRefused(_, _, let code): code ?? "invalid_value"
        case .notCommitted: "storage_unavailable"
        case .unexpectedOutcome: "server_error"
        }
    }

    /// What is wrong, and what the client can do.
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
            "No tool call found for the result with call_id '\(callID.prefix(80))'. Send it behind its call, once for each call; a call that was cut cannot be answered. If the call belongs to a response in progress or to a queued input, send the result as input with mode 'queue'."
        case .tooManyParticipants(let limit): "The session has \(limit) participants already."
        case .tooManyCursors(let limit): "The session has \(limit) readers already."
        case .sessionClosed: "The session was deleted."
        case .responseNotFound(let id): "No response with id '\(id)' is here, or it is not yours."
        case .eventsExpired(let id): "The events of response '\(id)' are no longer kept. Fetch the response itself."
        case .previousResponseNotFound(let id): "Previous response with id '\(id)' not found."
        case .responseAlreadyCompleted(let id): "Response '\(id)' has completed."
        case .successorRefused(let reason): reason.message
        case .itemNotFound(let id): "No item with id '\(id)' is here, or it is not yours."
        case .itemNotTruncatable(let id): "Item '\(id)' is no message: only a message has text that can be truncated."
        case .itemNotInList(let id): "No item with id '\(id)' is in this list."
        case .tooManySteps(let limit): "A response may have \(limit) steps."
        case .missingModel: "'model' is missing: the session has none, and no upstream has told which it has."
        case .parameterRefused(let message, _, _): message
        case .notCommitted:
            "The server cannot write its data now. What you sent was not kept and is withdrawn: send it again later."
        case .unexpectedOutcome: "The server has answered a command in a way that it does not know itself."
        }
    }
}
