public import JSON

/// A position in a session's log as clients know it: the event up to which they have everything.
///
/// Sequence numbers count on through all epochs, without gaps. The epoch says which history the number counts in: where events may
/// have been lost, the same number can come to stand for another event, and only the epoch tells the two apart.
///
/// As text it is the sequence number, with the epoch before it unless that is 0: `41`, `2:41`.
public struct LogPosition: Sendable, Hashable, Comparable {
    /// 0 until events may have been lost; larger after each such time, never used twice. See ``LogEpochs``.
    public let epoch: Int
    /// Session sequence number of the event; 0 before the first.
    public let sequence: Int

    public init(epoch: Int = 0, sequence: Int) {
        self.epoch = epoch
        self.sequence = sequence
    }

    /// Before the first event.
    public static let start = LogPosition(sequence: 0)

    /// Reads a position that a client sent: decimal digits, and at most one colon between two groups of them.
    /// - Returns: nil for anything else, and for numbers that no `Int` holds.
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

    /// `Int` would take a sign too.
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
    public var description: String { epoch == 0 ? "\(sequence)" : "\(epoch):\(sequence)" }
}

extension JSONObjectWriter {
    /// Writes `epoch` beside a position's sequence number, unless it is 0.
    public mutating func field(epochOf position: LogPosition) {
        if position.epoch != 0 { field("epoch", position.epoch) }
    }
}
