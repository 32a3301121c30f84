import Bytes

extension SessionError: CommandCoded {
    /// Each case by a number that it keeps.
    private enum Tag: UInt8 {
        case responseInProgress = 1
        case responseNotActive, noActiveResponse, tooManyQueuedInputs, tooManyPendingSteers, conversationTooLarge, duplicateItem
        case resultWithoutCall, tooManyParticipants, tooManyCursors, sessionClosed, responseNotFound, previousResponseNotFound
        case responseAlreadyCompleted, successorRefused, itemNotFound, itemNotInList, tooManySteps, missingModel, parameterRefused
        case notCommitted, unexpectedOutcome, eventsExpired
    }

    func encode(into buffer: inout ByteBuffer) {
        func put(_ tag: Tag) { buffer.append(tag.rawValue) }
        func put(_ tag: Tag, _ value: some CommandCoded) {
            put(tag)
            value.encode(into: &buffer)
        }
        switch self {
        case .responseInProgress(let id): put(.responseInProgress, id)
        case .responseNotActive(let id): put(.responseNotActive, id)
        case .noActiveResponse: put(.noActiveResponse)
        case .tooManyQueuedInputs(let limit): put(.tooManyQueuedInputs, limit)
        case .tooManyPendingSteers(let limit): put(.tooManyPendingSteers, limit)
        case .conversationTooLarge(let limit): put(.conversationTooLarge, limit)
        case .duplicateItem(let id): put(.duplicateItem, id)
        case .resultWithoutCall(let callID, let index):
            put(.resultWithoutCall, callID)
            index.encode(into: &buffer)
        case .tooManyParticipants(let limit): put(.tooManyParticipants, limit)
        case .tooManyCursors(let limit): put(.tooManyCursors, limit)
        case .sessionClosed: put(.sessionClosed)
        case .responseNotFound(let id): put(.responseNotFound, id)
        case .eventsExpired(let id): put(.eventsExpired, id)
        case .previousResponseNotFound(let id): put(.previousResponseNotFound, id)
        case .responseAlreadyCompleted(let id): put(.responseAlreadyCompleted, id)
        case .successorRefused(let reason): put(.successorRefused, reason)
        case .itemNotFound(let id): put(.itemNotFound, id)
        case .itemNotInList(let id): put(.itemNotInList, id)
        case .tooManySteps(let limit): put(.tooManySteps, limit)
        case .missingModel: put(.missingModel)
        case .parameterRefused(let message, let param, let code):
            put(.parameterRefused, message)
            param.encode(into: &buffer)
            code.encode(into: &buffer)
        case .notCommitted: put(.notCommitted)
        case .unexpectedOutcome: put(.unexpectedOutcome)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        guard let tag = Tag(rawValue: try reader.byte()) else { throw MalformedCommand() }
        self = try Self(tag, from: &reader)
    }

    private init(_ tag: Tag, from reader: inout CommandReader) throws(MalformedCommand) {
        switch tag {
        case .responseInProgress: self = .responseInProgress(responseID: try String(from: &reader))
        case .responseNotActive: self = .responseNotActive(responseID: try String(from: &reader))
        case .noActiveResponse: self = .noActiveResponse
        case .tooManyQueuedInputs: self = .tooManyQueuedInputs(limit: try Int(from: &reader))
        case .tooManyPendingSteers: self = .tooManyPendingSteers(limit: try Int(from: &reader))
        case .conversationTooLarge: self = .conversationTooLarge(limitBytes: try Int(from: &reader))
        case .duplicateItem: self = .duplicateItem(id: try String(from: &reader))
        case .resultWithoutCall: self = .resultWithoutCall(callID: try String(from: &reader), index: try Int(from: &reader))
        case .tooManyParticipants: self = .tooManyParticipants(limit: try Int(from: &reader))
        case .tooManyCursors: self = .tooManyCursors(limit: try Int(from: &reader))
        case .sessionClosed: self = .sessionClosed
        case .responseNotFound: self = .responseNotFound(try String(from: &reader))
        case .eventsExpired: self = .eventsExpired(responseID: try String(from: &reader))
        case .previousResponseNotFound: self = .previousResponseNotFound(try String(from: &reader))
        case .responseAlreadyCompleted: self = .responseAlreadyCompleted(responseID: try String(from: &reader))
        case .successorRefused:
            // The reason is never another of these: hostile bytes nest no deeper.
            guard let inner = Tag(rawValue: try reader.byte()), inner != .successorRefused else { throw MalformedCommand() }
            self = .successorRefused(try Self(inner, from: &reader))
        case .itemNotFound: self = .itemNotFound(try String(from: &reader))
        case .itemNotInList: self = .itemNotInList(try String(from: &reader))
        case .tooManySteps: self = .tooManySteps(limit: try Int(from: &reader))
        case .missingModel: self = .missingModel
        case .parameterRefused:
            self = .parameterRefused(
                message: try String(from: &reader), param: try String?(from: &reader), code: try String?(from: &reader))
        case .notCommitted: self = .notCommitted
        case .unexpectedOutcome: self = .unexpectedOutcome
        }
    }
}
