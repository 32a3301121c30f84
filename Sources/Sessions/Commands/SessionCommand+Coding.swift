import Bytes
import JSON

extension SessionCommand: CommandCoded {
    /// The command as bytes: what ``init(_:)`` reads.
    public var encoded: [UInt8] { encodedWithVersion() }

    /// Reads a command of another machine.
    /// - Throws: ``MalformedCommand`` for bytes of another version, and for any that are not a whole command.
    public init(_ encoded: UnsafeRawBufferPointer) throws(MalformedCommand) { self = try Self(withVersion: encoded) }

    func encode(into buffer: inout ByteBuffer) {
        id.encode(into: &buffer)
        kind.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        let id = try String(from: &reader)
        self.init(try Kind(from: &reader), id: id)
    }
}

extension SessionCommand.Kind: CommandCoded {
    /// Each case by a number that it keeps.
    private enum Tag: UInt8 {
        case submit = 1
        case steer, cancel, addItems, deleteItem, setMetadata, deleteResponse, deleteSession, addSteps, join, leave, follow
        case readState, readSummary, readResponse, readItems, readItem, measurePrompt
    }

    func encode(into buffer: inout ByteBuffer) {
        func tag(_ tag: Tag) { buffer.append(tag.rawValue) }
        switch self {
        case .submit(let submit):
            tag(.submit)
            submit.encode(into: &buffer)
        case .steer(let steer):
            tag(.steer)
            steer.encode(into: &buffer)
        case .cancel(let cancel):
            tag(.cancel)
            cancel.encode(into: &buffer)
        case .addItems(let new):
            tag(.addItems)
            new.items.encode(into: &buffer)
        case .deleteItem(let id):
            tag(.deleteItem)
            id.encode(into: &buffer)
        case .setMetadata(let metadata):
            tag(.setMetadata)
            metadata.encode(into: &buffer)
        case .deleteResponse(let id):
            tag(.deleteResponse)
            id.encode(into: &buffer)
        case .deleteSession: tag(.deleteSession)
        case .addSteps(let id, let steps):
            tag(.addSteps)
            id.encode(into: &buffer)
            steps.encode(into: &buffer)
        case .join(let join):
            tag(.join)
            join.participant.encode(into: &buffer)
            join.after.encode(into: &buffer)
        case .leave(let participant):
            tag(.leave)
            participant.encode(into: &buffer)
        case .follow(let follow):
            tag(.follow)
            follow.encode(into: &buffer)
        case .readState: tag(.readState)
        case .readSummary: tag(.readSummary)
        case .readResponse(let id, let withObject):
            tag(.readResponse)
            id.encode(into: &buffer)
            withObject.encode(into: &buffer)
        case .readItems(let source, let range):
            tag(.readItems)
            source.responseID.encode(into: &buffer)
            range.encode(into: &buffer)
        case .readItem(let id):
            tag(.readItem)
            id.encode(into: &buffer)
        case .measurePrompt(let previous):
            tag(.measurePrompt)
            previous.encode(into: &buffer)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        guard let tag = Tag(rawValue: try reader.byte()) else { throw MalformedCommand() }
        switch tag {
        case .submit: self = .submit(try SessionCommand.Submit(from: &reader))
        case .steer: self = .steer(try SessionCommand.Steer(from: &reader))
        case .cancel: self = .cancel(try SessionCommand.Cancel(from: &reader))
        case .addItems: self = .addItems(NewItems(try [Item](from: &reader)))
        case .deleteItem: self = .deleteItem(id: try String(from: &reader))
        case .setMetadata: self = .setMetadata(try JSONValue(from: &reader))
        case .deleteResponse: self = .deleteResponse(id: try String(from: &reader))
        case .deleteSession: self = .deleteSession
        case .addSteps: self = .addSteps(responseID: try String(from: &reader), try [Step](from: &reader))
        case .join:
            self = .join(
                SessionCommand.Join(participant: try Participant?(from: &reader), after: try LogPosition?(from: &reader)))
        case .leave: self = .leave(try Participant(from: &reader))
        case .follow: self = .follow(try SessionCommand.Follow(from: &reader))
        case .readState: self = .readState
        case .readSummary: self = .readSummary
        case .readResponse: self = .readResponse(id: try String(from: &reader), withObject: try Bool(from: &reader))
        case .readItems:
            let source = SessionCommand.ItemSource(responseID: try String?(from: &reader))
            self = .readItems(source, try SessionCommand.ItemRange(from: &reader))
        case .readItem: self = .readItem(id: try String(from: &reader))
        case .measurePrompt: self = .measurePrompt(upTo: try String?(from: &reader))
        }
    }
}

extension SessionCommand.Submit: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        new.items.encode(into: &buffer)
        responseID.encode(into: &buffer)
        parameters.encode(into: &buffer)
        mode.encode(into: &buffer)
        policy.encode(into: &buffer)
        speaker.encode(into: &buffer)
        itemsSpeaker.encode(into: &buffer)
        clientEventID.encode(into: &buffer)
        isWarmUp.encode(into: &buffer)
        continuation.encode(into: &buffer)
        withObject.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(
            NewItems(try [Item](from: &reader)), responseID: try String(from: &reader), parameters: try Parameters(from: &reader))
        mode = try InterjectionMode?(from: &reader)
        policy = try DisconnectPolicy?(from: &reader)
        speaker = try Speaker?(from: &reader)
        itemsSpeaker = try String?(from: &reader)
        clientEventID = try String?(from: &reader)
        isWarmUp = try Bool(from: &reader)
        continuation = try Continuation?(from: &reader)
        withObject = try Bool(from: &reader)
    }
}

extension SessionCommand.Submit.Parameters: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .whole(let parameters):
            buffer.append(0)
            parameters.encode(into: &buffer)
        case .overDefaults(let model, let instructions, let members, let firstModel):
            buffer.append(1)
            model.encode(into: &buffer)
            instructions.encode(into: &buffer)
            members.encode(into: &buffer)
            firstModel.encode(into: &buffer)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        switch try reader.byte() {
        case 0: self = .whole(try ResponseParameters(from: &reader))
        case 1:
            self = .overDefaults(
                model: try String?(from: &reader), instructions: try String?(from: &reader), members: try JSONObject(from: &reader),
                firstModel: try String?(from: &reader))
        default: throw MalformedCommand()
        }
    }
}

extension SessionCommand.Submit.Speaker: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .participant(let participant):
            buffer.append(0)
            participant.encode(into: &buffer)
        case .guest(let name):
            buffer.append(1)
            name.encode(into: &buffer)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        switch try reader.byte() {
        case 0: self = .participant(try Participant(from: &reader))
        case 1: self = .guest(name: try String(from: &reader))
        default: throw MalformedCommand()
        }
    }
}

extension SessionCommand.Submit.Continuation: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        previousResponseID.encode(into: &buffer)
        isStored.encode(into: &buffer)
        isDurable.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(of: try String(from: &reader), isStored: try Bool(from: &reader), isDurable: try Bool(from: &reader))
    }
}

extension SessionCommand.Steer: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        steer.encode(into: &buffer)
        items.encode(into: &buffer)
        successorID.encode(into: &buffer)
        policy.encode(into: &buffer)
        waitsForToolOutputs.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(
            try Input.Steer(from: &reader), items: try [Item](from: &reader), successorID: try String(from: &reader),
            policy: try DisconnectPolicy?(from: &reader), waitsForToolOutputs: try Bool(from: &reader))
    }
}

extension SessionCommand.Cancel: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        responseID.encode(into: &buffer)
        participant.encode(into: &buffer)
        clientEventID.encode(into: &buffer)
        reason.encode(into: &buffer)
        dropsQueued.encode(into: &buffer)
        buffer.append(answer.rawValue)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(
            responseID: try String?(from: &reader), by: try Participant?(from: &reader), clientEventID: try String?(from: &reader),
            reason: try Session.CancelReason(from: &reader), dropsQueued: try Bool(from: &reader))
        guard let answer = Answer(rawValue: try reader.byte()) else { throw MalformedCommand() }
        self.answer = answer
    }
}

extension SessionCommand.Follow: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .after(let position):
            buffer.append(0)
            position.encode(into: &buffer)
        case .response(let id, let after):
            buffer.append(1)
            id.encode(into: &buffer)
            after.encode(into: &buffer)
        case .endOfResponse(let id):
            buffer.append(2)
            id.encode(into: &buffer)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        switch try reader.byte() {
        case 0: self = .after(try LogPosition(from: &reader))
        case 1: self = .response(id: try String(from: &reader), after: try LogPosition(from: &reader))
        case 2: self = .endOfResponse(id: try String(from: &reader))
        default: throw MalformedCommand()
        }
    }
}

extension SessionCommand.ItemSource {
    /// nil: the conversation.
    fileprivate var responseID: String? { if case .input(let id) = self { id } else { nil } }
    fileprivate init(responseID: String?) { self = responseID.map { .input(ofResponse: $0) } ?? .conversation }
}

extension SessionCommand.ItemRange: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        limit.encode(into: &buffer)
        isAscending.encode(into: &buffer)
        after.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(limit: try Int(from: &reader), isAscending: try Bool(from: &reader), after: try String?(from: &reader))
    }
}
