import Bytes

extension SessionError: CommandCoded {
    /// Fixed numbers of the cases.
    private enum Tag: UInt8 {
        case responseInProgress = 1
        case responseNotActive, noActiveResponse, tooManyQueuedInputs, tooManyPendingSteers, conversationTooLarge, duplicateItem
        case resultWithoutCall, tooManyParticipants, tooManyCursors, sessionClosed, responseNotFound, previousResponseNotFound
        case responseAlreadyCompleted, successorRefused, itemNotFound, itemNotInList, tooManySteps, missingModel, parameterRefused
        case notCommitted, unexpectedOutcome, eventsExpired, itemNotTruncatable
    }

    func encode(into buffer: inout ByteBuffer) {
        func put<each Part: CommandCoded>(_ tag: Tag, _ parts: repeat each Part) { buffer.append(case: tag, repeat each parts) }
        switch self {
        case .responseInProgress(let id): put(.responseInProgress, id)
        case .responseNotActive(let id): put(.responseNotActive, id)
        case .noActiveResponse: put(.noActiveResponse)
        case .tooManyQueuedInputs(let limit): put(.tooManyQueuedInputs, limit)
        case .tooManyPendingSteers(let limit): put(.tooManyPendingSteers, limit)
        case .conversationTooLarge(let limit): put(.conversationTooLarge, limit)
        case .duplicateItem(let id): put(.duplicateItem, id)
        case .resultWithoutCall(let callID, let index): put(.resultWithoutCall, callID, index)
        case .tooManyParticipants(let limit): put(.tooManyParticipants, limit)
        case .tooManyCursors(let limit): put(.tooManyCursors, limit)
        case .sessionClosed: put(.sessionClosed)
        case .responseNotFound(let id): put(.responseNotFound, id)
        case .eventsExpired(let id): put(.eventsExpired, id)
        case .previousResponseNotFound(let id): put(.previousResponseNotFound, id)
        case .responseAlreadyCompleted(let id): put(.responseAlreadyCompleted, id)
        case .successorRefused(let reason): put(.successorRefused, reason)
        case .itemNotFound(let id): put(.itemNotFound, id)
        case .itemNotTruncatable(let id): put(.itemNotTruncatable, id)
        case .itemNotInList(let id): put(.itemNotInList, id)
        case .tooManySteps(let limit): put(.tooManySteps, limit)
        case .missingModel: put(.missingModel)
        case .parameterRefused(let message, let param, let code): put(.parameterRefused, message, param, code)
        case .notCommitted: put(.notCommitted)
        case .unexpectedOutcome: put(.unexpectedOutcome)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) { self = try Self(try reader.tag(), from: &reader) }

    private init(_ tag: Tag, from reader: inout CommandReader) throws(MalformedCommand) {
        switch tag {
        case .responseInProgress: self = try reader.value(Self.responseInProgress)
        case .responseNotActive: self = try reader.value(Self.responseNotActive)
        case .noActiveResponse: self = .noActiveResponse
        case .tooManyQueuedInputs: self = try reader.value(Self.tooManyQueuedInputs)
        case .tooManyPendingSteers: self = try reader.value(Self.tooManyPendingSteers)
        case .conversationTooLarge: self = try reader.value(Self.conversationTooLarge)
        case .duplicateItem: self = try reader.value(Self.duplicateItem)
        case .resultWithoutCall: self = try reader.value(Self.resultWithoutCall)
        case .tooManyParticipants: self = try reader.value(Self.tooManyParticipants)
        case .tooManyCursors: self = try reader.value(Self.tooManyCursors)
        case .sessionClosed: self = .sessionClosed
        case .responseNotFound: self = try reader.value(Self.responseNotFound)
        case .eventsExpired: self = try reader.value(Self.eventsExpired)
        case .previousResponseNotFound: self = try reader.value(Self.previousResponseNotFound)
        case .responseAlreadyCompleted: self = try reader.value(Self.responseAlreadyCompleted)
        case .successorRefused:
            // A reason is never nested itself: this bounds recursion on hostile bytes.
            let inner = try reader.tag(Tag.self)
            guard inner != .successorRefused else { throw MalformedCommand() }
            self = .successorRefused(try Self(inner, from: &reader))
        case .itemNotFound: self = try reader.value(Self.itemNotFound)
        case .itemNotTruncatable: self = try reader.value(Self.itemNotTruncatable)
        case .itemNotInList: self = try reader.value(Self.itemNotInList)
        case .tooManySteps: self = try reader.value(Self.tooManySteps)
        case .missingModel: self = .missingModel
        case .parameterRefused: self = try reader.value(Self.parameterRefused)
        case .notCommitted: self = .notCommitted
        case .unexpectedOutcome: self = .unexpectedOutcome
        }
    }
}
