/// The epochs of a session's log: the first, 0, and those that began when events may have been lost.
///
/// The log that remains after a loss is a prefix of what clients have seen. So a position of an earlier epoch is still valid if its
/// event is within that prefix, and lost beyond it. An unknown epoch belongs to a history that the log never had: later than a
/// restored backup.
public struct LogEpochs: Sendable, Equatable {
    /// An epoch after the first, and where it begins.
    public struct Start: Sendable, Equatable {
        /// Number of the epoch.
        public let epoch: Int
        /// Sequence number of its first event, which may not exist yet.
        public let sequence: Int

        /// An epoch that begins with event `sequence`.
        public init(epoch: Int, sequence: Int) {
            self.epoch = epoch
            self.sequence = sequence
        }
    }

    /// Both numbers increase from each to the next.
    public let starts: [Start]

    /// The epochs of a log that has never lost events.
    public init() { starts = [] }

    /// - Parameter starts: in any order.
    public init(_ starts: [Start]) { self.starts = starts.sorted { $0.epoch < $1.epoch } }

    /// The epoch of the next events.
    public var current: Int { starts.last?.epoch ?? 0 }

    /// Whether the log has, or had, an epoch.
    public func contains(_ epoch: Int) -> Bool { epoch == 0 || starts.contains { $0.epoch == epoch } }

    /// The epoch of the event with this sequence number. O(n) in the epochs.
    public func epoch(of sequence: Int) -> Int { starts.last { $0.sequence <= sequence }?.epoch ?? 0 }

    /// The position of the event with this sequence number.
    public func position(of sequence: Int) -> LogPosition { LogPosition(epoch: epoch(of: sequence), sequence: sequence) }

    /// The sequence number after which a client continues that has everything up to a position.
    /// - Returns: nil if its events may differ from those in the log.
    public func sequence(of position: LogPosition) -> Int? {
        // A client without events cannot have wrong ones.
        if position.sequence == 0 { return 0 }
        guard contains(position.epoch) else { return nil }
        if let next = starts.first(where: { $0.epoch > position.epoch }), position.sequence >= next.sequence { return nil }
        return position.sequence
    }
}
