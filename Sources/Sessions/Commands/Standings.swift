import Bytes
public import JSON

/// A response as of one iteration of its session's loop.
public struct ResponseStanding: Sendable, Equatable {
    /// The response's identifier.
    public let id: String
    /// The status on the wire.
    public let status: String
    /// Why the response is incomplete, as on the wire.
    public let incompleteReason: String?
    /// Whether the response is running or waiting.
    public let isOpen: Bool
    /// Seconds since 1970.
    public let createdAt: Int
    /// Number of events so far.
    public let eventCount: Int
    /// Position of the event before the response's first, or of the session's last event if the response has none yet.
    public let precedingPosition: LogPosition
    /// Position of the session's last event.
    public let lastPosition: LogPosition
    /// The epoch of the session's next events.
    public let epoch: Int
    /// The response object as JSON, if requested.
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

/// A session without its contents, as of one iteration of its loop.
public struct SessionSummary: Sendable, Equatable {
    /// The session's parameters.
    public let record: SessionRecord
    /// Whether a response is running.
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

    /// Writes the session as it is listed.
    public func write(to writer: inout JSONObjectWriter) {
        record.write(isGenerating: isGenerating, to: &writer)
        writer.field("last_sequence_number", lastPosition.sequence)
        writer.field(epochOf: lastPosition)
    }
}

/// A session with its contents, as of one iteration of its loop.
public struct SessionStanding: Sendable, Equatable {
    /// The session's state.
    public let state: SessionState
    /// When the running response, or else the first waiting one, was created, in seconds since 1970; nil if there is neither.
    public let busySince: Int?
}

extension SessionStanding {
    init(_ session: Session) {
        state = session.state
        busySince = session.isAtRest ? nil : session.active?.createdAt ?? session.queued.first?.createdAt
    }
}
