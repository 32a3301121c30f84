import Bytes
import JSON

extension SessionCommand: CommandRecord {
    /// The encoded command, for ``init(_:)``.
    public var encoded: [UInt8] { encodedWithVersion() }

    /// Decodes a command from another machine.
    /// - Throws: ``MalformedCommand`` for bytes of another version, or that are not a complete command.
    public init(_ encoded: UnsafeRawBufferPointer) throws(MalformedCommand) { self = try Self(withVersion: encoded) }

    static var layout: some CommandLayout<Self> { CommandParts(\.id, \.kind) { SessionCommand($1, id: $0) } }
}

extension SessionCommand.Kind: CommandCoded {
    /// Fixed numbers of the cases.
    private enum Tag: UInt8 {
        case submit = 1
        case steer, cancel, addItems, deleteItem, setMetadata, deleteResponse, deleteSession, addSteps, join, leave, follow
        case readState, readSummary, readResponse, readItems, readItem, measurePrompt, insertItems, replaceItem, truncateItem
    }

    func encode(into buffer: inout ByteBuffer) {
        func put<each Part: CommandCoded>(_ tag: Tag, _ parts: repeat each Part) { buffer.append(case: tag, repeat each parts) }
        switch self {
        case .submit(let submit): put(.submit, submit)
        case .steer(let steer): put(.steer, steer)
        case .cancel(let cancel): put(.cancel, cancel)
        case .addItems(let new): put(.addItems, new)
        case .insertItems(let new, let previous): put(.insertItems, new, previous)
        case .replaceItem(let item): put(.replaceItem, item)
        case .truncateItem(let truncate): put(.truncateItem, truncate)
        case .deleteItem(let id): put(.deleteItem, id)
        case .setMetadata(let metadata): put(.setMetadata, metadata)
        case .deleteResponse(let id): put(.deleteResponse, id)
        case .deleteSession: put(.deleteSession)
        case .addSteps(let id, let steps): put(.addSteps, id, steps)
        case .join(let join): put(.join, join)
        case .leave(let participant): put(.leave, participant)
        case .follow(let follow): put(.follow, follow)
        case .readState: put(.readState)
        case .readSummary: put(.readSummary)
        case .readResponse(let id, let withObject): put(.readResponse, id, withObject)
        case .readItems(let source, let range): put(.readItems, source, range)
        case .readItem(let id): put(.readItem, id)
        case .measurePrompt(let previous): put(.measurePrompt, previous)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        switch try reader.tag(Tag.self) {
        case .submit: self = try reader.value(Self.submit)
        case .steer: self = try reader.value(Self.steer)
        case .cancel: self = try reader.value(Self.cancel)
        case .addItems: self = try reader.value(Self.addItems)
        case .insertItems: self = try reader.value(Self.insertItems)
        case .replaceItem: self = try reader.value(Self.replaceItem)
        case .truncateItem: self = try reader.value(Self.truncateItem)
        case .deleteItem: self = try reader.value(Self.deleteItem)
        case .setMetadata: self = try reader.value(Self.setMetadata)
        case .deleteResponse: self = try reader.value(Self.deleteResponse)
        case .deleteSession: self = .deleteSession
        case .addSteps: self = try reader.value(Self.addSteps)
        case .join: self = try reader.value(Self.join)
        case .leave: self = try reader.value(Self.leave)
        case .follow: self = try reader.value(Self.follow)
        case .readState: self = .readState
        case .readSummary: self = .readSummary
        case .readResponse: self = try reader.value(Self.readResponse)
        case .readItems: self = try reader.value(Self.readItems)
        case .readItem: self = try reader.value(Self.readItem)
        case .measurePrompt: self = try reader.value(Self.measurePrompt)
        }
    }
}

extension NewItems: CommandRecord {
    static var layout: some CommandLayout<Self> { CommandParts(\.items) { NewItems($0) } }
}

extension SessionCommand.Submit: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(
            \.new, \.responseID, \.parameters, \.mode, \.policy, \.speaker, \.itemsSpeaker, \.clientEventID, \.isWarmUp,
            \.continuation, \.withObject, \.withStanding
        ) {
            new, responseID, parameters, mode, policy, speaker, itemsSpeaker, clientEventID, isWarmUp, continuation, withObject,
            withStanding in
            var submit = Self(new, responseID: responseID, parameters: parameters)
            submit.mode = mode
            submit.policy = policy
            submit.speaker = speaker
            submit.itemsSpeaker = itemsSpeaker
            submit.clientEventID = clientEventID
            submit.isWarmUp = isWarmUp
            submit.continuation = continuation
            submit.withObject = withObject
            submit.withStanding = withStanding
            return submit
        }
    }
}

extension SessionCommand.Submit.Parameters: CommandCoded {
    private enum Tag: UInt8 { case whole, overDefaults }

    func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .whole(let parameters): buffer.append(case: Tag.whole, parameters)
        case .overDefaults(let model, let instructions, let members, let firstModel):
            buffer.append(case: Tag.overDefaults, model, instructions, members, firstModel)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        switch try reader.tag(Tag.self) {
        case .whole: self = try reader.value(Self.whole)
        case .overDefaults: self = try reader.value(Self.overDefaults)
        }
    }
}

extension SessionCommand.Submit.Speaker: CommandCoded {
    private enum Tag: UInt8 { case participant, guest }

    func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .participant(let participant): buffer.append(case: Tag.participant, participant)
        case .guest(let name): buffer.append(case: Tag.guest, name)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        switch try reader.tag(Tag.self) {
        case .participant: self = try reader.value(Self.participant)
        case .guest: self = try reader.value(Self.guest)
        }
    }
}

extension SessionCommand.Submit.Continuation: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.previousResponseID, \.isStored, \.isDurable) { Self(of: $0, isStored: $1, isDurable: $2) }
    }
}

extension SessionCommand.Steer: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.steer, \.items, \.successorID, \.policy, \.waitsForToolOutputs) {
            Self($0, items: $1, successorID: $2, policy: $3, waitsForToolOutputs: $4)
        }
    }
}

extension SessionCommand.Cancel: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.responseID, \.participant, \.clientEventID, \.reason, \.dropsQueued, \.answer) {
            Self(responseID: $0, by: $1, clientEventID: $2, reason: $3, dropsQueued: $4, answer: $5)
        }
    }
}

extension SessionCommand.Cancel.Answer: CommandCoded {}

extension SessionCommand.Truncate: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.itemID, \.utf8Count, \.audioEndMilliseconds) {
            Self(itemID: $0, toUTF8Count: $1, audioEndMilliseconds: $2)
        }
    }
}

extension SessionCommand.Join: CommandRecord {
    static var layout: some CommandLayout<Self> { CommandParts(\.participant, \.after) { Self(participant: $0, after: $1) } }
}

extension SessionCommand.Follow: CommandCoded {
    private enum Tag: UInt8 { case after, response, endOfResponse }

    func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .after(let position): buffer.append(case: Tag.after, position)
        case .response(let id, let after): buffer.append(case: Tag.response, id, after)
        case .endOfResponse(let id): buffer.append(case: Tag.endOfResponse, id)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        switch try reader.tag(Tag.self) {
        case .after: self = try reader.value(Self.after)
        case .response: self = try reader.value(Self.response)
        case .endOfResponse: self = try reader.value(Self.endOfResponse)
        }
    }
}

extension SessionCommand.ItemSource: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.responseID) { (id: String?) in id.map { .input(ofResponse: $0) } ?? .conversation }
    }

    /// Nil for the conversation.
    private var responseID: String? { if case .input(let id) = self { id } else { nil } }
}

extension SessionCommand.ItemRange: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.limit, \.isAscending, \.after) { Self(limit: $0, isAscending: $1, after: $2) }
    }
}
