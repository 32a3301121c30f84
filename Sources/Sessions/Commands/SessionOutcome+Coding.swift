import Bytes

extension SessionOutcome: CommandCoded {
    /// The outcome as bytes: what ``init(_:)`` reads.
    public var encoded: [UInt8] { encodedWithVersion() }

    /// Reads an outcome of another machine.
    /// - Throws: ``MalformedCommand`` for bytes of another version, and for any that are not a whole outcome.
    public init(_ encoded: UnsafeRawBufferPointer) throws(MalformedCommand) { self = try Self(withVersion: encoded) }

    /// Each case by a number that it keeps.
    private enum Tag: UInt8 {
        case done = 1
        case accepted, steerKept, response, summary, state, joined, items, byteCount, following, steps, refused
    }

    func encode(into buffer: inout ByteBuffer) {
        func tag(_ tag: Tag) { buffer.append(tag.rawValue) }
        switch self {
        case .done: tag(.done)
        case .accepted(let accepted):
            tag(.accepted)
            accepted.encode(into: &buffer)
        case .steerKept(let calls):
            tag(.steerKept)
            calls.encode(into: &buffer)
        case .response(let standing):
            tag(.response)
            standing.encode(into: &buffer)
        case .summary(let summary):
            tag(.summary)
            summary.record.encode(into: &buffer)
            summary.isGenerating.encode(into: &buffer)
            summary.lastPosition.encode(into: &buffer)
        case .state(let standing):
            tag(.state)
            standing.encode(into: &buffer)
        case .joined(let standing, let after):
            tag(.joined)
            standing.encode(into: &buffer)
            after.encode(into: &buffer)
        case .items(let items, let hasMore):
            tag(.items)
            items.encode(into: &buffer)
            hasMore.encode(into: &buffer)
        case .byteCount(let count):
            tag(.byteCount)
            count.encode(into: &buffer)
        case .following(let following):
            tag(.following)
            buffer.append(following.rawValue)
        case .steps(let standing, let areTaken):
            tag(.steps)
            standing.encode(into: &buffer)
            areTaken.encode(into: &buffer)
        case .refused(let error):
            tag(.refused)
            error.encode(into: &buffer)
        }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        guard let tag = Tag(rawValue: try reader.byte()) else { throw MalformedCommand() }
        switch tag {
        case .done: self = .done
        case .accepted: self = .accepted(try Accepted(from: &reader))
        case .steerKept: self = .steerKept(callIDs: try [String](from: &reader))
        case .response: self = .response(try ResponseStanding(from: &reader))
        case .summary:
            self = .summary(
                SessionSummary(
                    record: try SessionRecord(from: &reader), isGenerating: try Bool(from: &reader),
                    lastPosition: try LogPosition(from: &reader)))
        case .state: self = .state(try SessionStanding(from: &reader))
        case .joined: self = .joined(try SessionStanding(from: &reader), after: try LogPosition(from: &reader))
        case .items: self = .items(try [Item](from: &reader), hasMore: try Bool(from: &reader))
        case .byteCount: self = .byteCount(try Int(from: &reader))
        case .following:
            guard let following = Following(rawValue: try reader.byte()) else { throw MalformedCommand() }
            self = .following(following)
        case .steps: self = .steps(try ResponseStanding(from: &reader), areTaken: try Bool(from: &reader))
        case .refused: self = .refused(try SessionError(from: &reader))
        }
    }
}

extension SessionStanding: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        state.encode(into: &buffer)
        busySince.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        state = try SessionState(from: &reader)
        busySince = try Int?(from: &reader)
    }
}

extension SessionOutcome.Accepted: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        sessionID.encode(into: &buffer)
        responseID.encode(into: &buffer)
        position.encode(into: &buffer)
        mode.encode(into: &buffer)
        interrupted.encode(into: &buffer)
        object.map(OpaqueBytes.init).encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        sessionID = try String(from: &reader)
        responseID = try String(from: &reader)
        position = try LogPosition(from: &reader)
        mode = try InterjectionMode?(from: &reader)
        interrupted = try Interrupted?(from: &reader)
        object = try OpaqueBytes?(from: &reader)?.array
    }
}

extension ResponseStanding: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        id.encode(into: &buffer)
        status.encode(into: &buffer)
        incompleteReason.encode(into: &buffer)
        isOpen.encode(into: &buffer)
        createdAt.encode(into: &buffer)
        eventCount.encode(into: &buffer)
        precedingPosition.encode(into: &buffer)
        lastPosition.encode(into: &buffer)
        epoch.encode(into: &buffer)
        object.map(OpaqueBytes.init).encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        id = try String(from: &reader)
        status = try String(from: &reader)
        incompleteReason = try String?(from: &reader)
        isOpen = try Bool(from: &reader)
        createdAt = try Int(from: &reader)
        eventCount = try Int(from: &reader)
        precedingPosition = try LogPosition(from: &reader)
        lastPosition = try LogPosition(from: &reader)
        epoch = try Int(from: &reader)
        object = try OpaqueBytes?(from: &reader)?.array
    }
}
