import Bytes
public import JSON

/// A response as it stood in one iteration of its session's loop.
public struct ResponseStanding: Sendable, Equatable {
    public let id: String
    /// The word on the wire.
    public let status: String
    /// Why it is incomplete, in the word on the wire.
    public let incompleteReason: String?
    /// Whether it has not ended: it runs or waits.
    public let isOpen: Bool
    /// Seconds since 1970.
    public let createdAt: Int
    /// Events so far.
    public let eventCount: Int
    /// Position of the session's event before its first one, or of the last event if it has none yet.
    public let precedingPosition: LogPosition
    /// Position of the session's last event.
    public let lastPosition: LogPosition
    /// The epoch of the session's events to come.
    public let epoch: Int
    /// The response object as JSON, if that was asked for.
    public let object: [UInt8]?
}

extension ResponseStanding {
    init(_ generation: Generation, in session: Session, withObject: Bool) {
        id = generation.id
        status = generation.status.name
        if case .incomplete(let reason) = generation.status { incompleteReason = reason.rawValue } else { incompleteReason = nil }
        isOpen = !generation.status.isTerminal
        createdAt = generation.createdAt
        eventCount = generation.eventCount
        lastPosition = session.log.end
        precedingPosition = generation.firstSequence.map { session.log.epochs.position(of: $0 - 1) } ?? session.log.end
        epoch = session.log.epochs.current
        object = withObject ? generation.objectJSON : nil
    }
}

extension Generation {
    /// The response object as JSON.
    var objectJSON: [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { write(to: &$0) }
        return buffer.array
    }
}

/// A session without its contents, as it stood in one iteration of its loop.
public struct SessionSummary: Sendable, Equatable {
    public let record: SessionRecord
    public let isGenerating: Bool
    /// Position of the last event.
    public let lastPosition: LogPosition
}

extension SessionSummary {
    init(_ session: Session) {
        record = session.record
        isGenerating = session.active != nil
        lastPosition = session.log.end
    }

    /// Writes the session as lists tell of it.
    public func write(to writer: inout JSONObjectWriter) {
        record.write(isGenerating: isGenerating, to: &writer)
        writer.field("last_sequence_number", lastPosition.sequence)
        writer.field(epochOf: lastPosition)
    }
}

/// A session with its contents, as it stood in one iteration of its loop.
public struct SessionStanding: Sendable, Equatable {
    public let state: SessionState
    /// When the response that runs, or the first one that waits, was made, in seconds since 1970; nil: neither does.
    public let busySince: Int?
}

extension SessionStanding {
    init(_ session: Session) {
        state = session.state
        busySince = session.isAtRest ? nil : session.active?.createdAt ?? session.queued.first?.createdAt
    }
}
