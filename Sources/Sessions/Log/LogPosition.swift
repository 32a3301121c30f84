public import JSON

/// A position in a session's log as clients know it: they have everything up to this event.
///
/// Sequence numbers continue through all epochs, without gaps. The epoch tells which history a number belongs to: after a loss, the
/// same number can denote another event, and only the epoch distinguishes the two.
///
/// As text it is the sequence number, preceded by the epoch unless that is 0: `41`, `2:41`.
public struct LogPosition: Sendable, Hashable, Comparable {
    /// 0 until events may have been lost; larger after each loss, never reused. See ``LogEpochs``.
    public let epoch: Int
    /// Session sequence number of the event; 0 before the first.
    public let sequence: Int

    /// The position after event `sequence`.
    public init(epoch: Int = 0, sequence: Int) {
        self.epoch = epoch
        self.sequence = sequence
    }

    /// Before the first event.
    public static let start = LogPosition(sequence: 0)

    /// Parses a position from a client: decimal digits, with at most one colon between two groups.
    /// - Returns: nil for anything else, and for numbers that exceed `Int`.
    public init?(_ text: some StringProtocol) {
        var groups: [Int] = []
        for group in text.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false) {
            guard let number = Self.number(group) else { return nil }
            groups.append(number)
        }
        switch groups.count {
        case 1: self.init(sequence: groups[0])
        case 2: self.init(epoch: groups[0], sequence: groups[1])
        default: return nil
        }
    }

    /// `Int` would accept a sign, too.
    private static func number(_ digits: some Sequence<UInt8>) -> Int? {
        var number: Int?
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            let (shifted, overflows) = (number ?? 0).multipliedReportingOverflow(by: 10)
            let (sum, carries) = shifted.addingReportingOverflow(Int(digit - UInt8(ascii: "0")))
            if overflows || carries { return nil }
            number = sum
        }
        return number
    }

    public static func < (left: LogPosition, right: LogPosition) -> Bool {
        (left.epoch, left.sequence) < (right.epoch, right.sequence)
    }
}

extension LogPosition: CustomStringConvertible {
    /// The position as clients send it.
    public var description: String { epoch == 0 ? "\(sequence)" : "\(epoch):\(sequence)" }
}

extension JSONObjectWriter {
    /// Writes a position's `epoch`, unless it is 0.
    public mutating func field(epochOf position: LogPosition) {
        if position.epoch != 0 { field("epoch", position.epoch) }
    }
}
