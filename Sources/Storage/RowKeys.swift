import GRDB
import Synchronization

/// Allocates row keys before the rows are written, so that other rows of the same iteration can refer to them.
final class RowKeys: Sendable {
    private let last: Atomic<Int>

    /// - Parameter last: clamped to leave room for new keys: a modified file may contain any.
    init(_ last: Int) { self.last = Atomic(min(max(last, 0), .max / 2)) }

    func next() -> Int { last.wrappingAdd(1, ordering: .relaxed).newValue }

    /// The largest key in the file.
    static func largest(_ db: Database) throws -> Int {
        try Int.fetchOne(db, sql: "SELECT max(key) FROM sessions") ?? 0
    }
}
