import GRDB
import Synchronization

/// Hands out numbers for rows before they are written, so that other rows can name them in the same turn.
final class RowKeys: Sendable {
    private let last: Atomic<Int>

    /// - Parameter last: held to what leaves room for more: a file that somebody changed may have any.
    init(_ last: Int) { self.last = Atomic(min(max(last, 0), .max / 2)) }

    func next() -> Int { last.wrappingAdd(1, ordering: .relaxed).newValue }

    /// The largest that the file has.
    static func largest(_ db: Database) throws -> Int {
        try Int.fetchOne(db, sql: "SELECT max(key) FROM sessions") ?? 0
    }
}
