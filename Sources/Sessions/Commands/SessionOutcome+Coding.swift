import Bytes

extension SessionOutcome: CommandCoded {
    /// The encoded outcome, for ``init(_:)``.
    public var encoded: [UInt8] { encodedWithVersion() }

    /// Decodes an outcome from another machine.
    /// - Throws: ``MalformedCommand`` for bytes of another version, or that are not a complete outcome.
    public init(_ encoded: UnsafeRawBufferPointer) throws(MalformedCommand) { self = try Self(withVersion: encoded) }

    /// Fixed numbers of the cases.
    private enum Tag: UInt8 {
        case done = 1
        case accepted, steerKept, response, summary, state, joined, items, byteCount, following, steps, refused
    }

    func encode(into buffer: inout ByteBuffer) {
        func put<each Part: CommandCoded>(_ tag: Tag, _ parts: repeat each Part) { buffer.append(case: tag, repeat each parts) }
        switch self {
        case .done: put(.done)
        case .accepted(let accepted): put(.accepted, accepted)
        case .steerKept(let calls): put(.steerKept, calls)
        case .response(let standing): put(.response, standing)
        case .summary(let summary): put(.summary, summary)
        case .state(let standing): put(.state, standing)
        case .joined(let standing, let after): put(.joined, standing, after)
        case .items(let items, let hasMore): put(.items, items, hasMore)
        case .byteCount(let count): put(.byteCount, count)
        case .following(let following): put(.following, following)
        case .steps(let standing, let areTaken): put(.steps, standing, areTaken)
        case .refused(let error): put(.refused, error)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        switch try reader.tag(Tag.self) {
        case .done: self = .done
        case .accepted: self = try reader.value(Self.accepted)
        case .steerKept: self = try reader.value(Self.steerKept)
        case .response: self = try reader.value(Self.response)
        case .summary: self = try reader.value(Self.summary)
        case .state: self = try reader.value(Self.state)
        case .joined: self = try reader.value(Self.joined)
        case .items: self = try reader.value(Self.items)
        case .byteCount: self = try reader.value(Self.byteCount)
        case .following: self = try reader.value(Self.following)
        case .steps: self = try reader.value(Self.steps)
        case .refused: self = try reader.value(Self.refused)
        }
    }
}

extension SessionOutcome.Following: CommandCoded {}

extension SessionOutcome.Accepted: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.sessionID, \.responseID, \.position, \.mode, \.interrupted, \.opaqueObject, \.standing) {
            Self(sessionID: $0, responseID: $1, position: $2, mode: $3, interrupted: $4, object: $5?.array, standing: $6)
        }
    }

    private var opaqueObject: OpaqueBytes? { object.map(OpaqueBytes.init) }
}

extension SessionSummary: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.record, \.isGenerating, \.lastPosition) { Self(record: $0, isGenerating: $1, lastPosition: $2) }
    }
}

extension SessionStanding: CommandRecord {
    static var layout: some CommandLayout<Self> { CommandParts(\.state, \.busySince) { Self(state: $0, busySince: $1) } }
}

extension ResponseStanding: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(
            \.id, \.status, \.incompleteReason, \.isOpen, \.createdAt, \.eventCount, \.precedingPosition, \.lastPosition, \.epoch,
            \.opaqueObject
        ) {
            Self(
                id: $0, status: $1, incompleteReason: $2, isOpen: $3, createdAt: $4, eventCount: $5, precedingPosition: $6,
                lastPosition: $7, epoch: $8, object: $9?.array)
        }
    }

    private var opaqueObject: OpaqueBytes? { object.map(OpaqueBytes.init) }
}
