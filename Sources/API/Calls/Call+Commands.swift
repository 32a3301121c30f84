import HTTP
import Network
package import SessionHosting
package import Sessions

extension Call {
    /// Performs a command on a session. A refusal fails the call unless `refuse` handles it.
    /// - Parameters:
    ///   - reader: attached as the command says.
    ///   - listens: whether the reader counts as a listener, for disconnect policies.
    ///   - refuse: handles a refusal; nil for ``fail(_:)``.
    ///   - then: responds; errors that it throws fail the call.
    package func perform(
        _ command: SessionCommand.Kind, on session: SessionReference, reader: EventReader? = nil, listens: Bool = true,
        orElse refuse: ((APIError) -> Void)? = nil, then: @escaping (SessionOutcome) throws(SessionError) -> Void
    ) {
        session.perform(command, reader: reader, listens: listens, from: loop) { outcome in
            do throws(SessionError) {
                try then(outcome)
            } catch {
                (refuse ?? fail)(APIError(error))
            }
        }
    }
}

extension APIError {
    /// The HTTP error for a refused command, with OpenAI's code if there is one.
    package init(_ error: SessionError) {
        switch error {
        case .responseInProgress, .responseNotActive, .noActiveResponse, .responseAlreadyCompleted:
            self.init(error, .conflict)
        case .tooManyQueuedInputs, .tooManyPendingSteers, .tooManyParticipants, .tooManyCursors:
            self.init(error, .tooManyRequests, type: "rate_limit_error")
        case .eventsExpired: self.init(error, .gone)
        case .conversationTooLarge: self.init(error, .contentTooLarge)
        case .sessionClosed, .responseNotFound, .itemNotFound: self.init(error, .notFound)
        case .duplicateItem: self.init(error, .badRequest, param: "input")
        case .resultWithoutCall(_, let index): self.init(error, .badRequest, param: "input[\(index)].call_id")
        case .previousResponseNotFound: self.init(error, .badRequest, param: "previous_response_id")
        case .itemNotTruncatable: self.init(error, .badRequest, param: "item_id")
        case .itemNotInList: self.init(error, .badRequest, param: "after")
        case .tooManySteps: self.init(error, .badRequest, param: "events")
        case .missingModel: self.init(error, .badRequest, param: "model")
        case .parameterRefused(let message, let param, let code): self = .invalid(message, param: param, code: code)
        case .successorRefused(let reason): self.init(reason)
        case .notCommitted: self = .notCommitted
        case .unexpectedOutcome: self.init(error, .internalServerError, type: "server_error")
        }
    }

    private init(
        _ error: SessionError, _ status: HTTPStatus, type: String = "invalid_request_error", param: String? = nil
    ) {
        self.init(status: status, message: error.message, type: type, param: param, code: error.code)
    }
}
