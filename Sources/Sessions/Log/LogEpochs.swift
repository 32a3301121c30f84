/// The epochs of one session's log: the first, 0, and those that began where events may have been lost.
///
/// What is left of the log at such a time is the beginning of what clients were told. So a position of an earlier epoch is still true
/// as long as its event is among those that were left, and is lost beyond them. An epoch that the log does not know belongs to a
/// history that it never had: a later one than a backup that was restored.
public struct LogEpochs: Sendable, Equatable {
    /// An epoch after the first, and where it begins.
    public struct Start: Sendable, Equatable {
        public let epoch: Int
        /// Sequence number of its first event, which may be still to come.
        public let sequence: Int

        public init(epoch: Int, sequence: Int) {
            self.epoch = epoch
            self.sequence = sequence
        }
    }

    /// Both numbers of each are larger than those of the one before.
    public let starts: [Start]

    /// Those of a log that never lost anything.
    public init() { starts = [] }

    /// - Parameter starts: in any order.
    public init(_ starts: [Start]) { self.starts = starts.sorted { $0.epoch < $1.epoch } }

    /// The epoch of the events to come.
    public var current: Int { starts.last?.epoch ?? 0 }

    /// Whether the log has had an epoch.
    public func contains(_ epoch: Int) -> Bool { epoch == 0 || starts.contains { $0.epoch == epoch } }

    /// The epoch of the event with this sequence number. O(n) in the epochs.
    public func epoch(of sequence: Int) -> Int { starts.last { $0.sequence <= sequence }?.epoch ?? 0 }

    /// The position of the event with this sequence number.
    public func position(of sequence: Int) -> LogPosition { LogPosition(epoch: epoch(of: sequence), sequence: sequence) }

    /// The sequence number to read on from, for a client that has everything up to a position.
    /// - Returns: nil where what it has may be something else than what the log has.
    public func sequence(of position: LogPosition) -> Int? {
        // Who has nothing yet has nothing that could be wrong.
        if position.sequence == 0 { return 0 }
        guard contains(position.epoch) else { return nil }
        if let next = starts.first(where: { $0.epoch > position.epoch }), position.sequence >= next.sequence { return nil }
        return position.sequence
    }
}
