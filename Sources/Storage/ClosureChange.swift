import GRDB
import Synchronization

/// A change given as a closure, with a result.
final class ClosureChange<Result: Sendable>: Change {
    private let body: @Sendable (Database) throws -> Result
    private let then: @Sendable (Swift.Result<Result, StorageError>) -> Void
    private let result = Mutex<Result?>(nil)

    init(
        _ body: @escaping @Sendable (Database) throws -> Result,
        _ then: @escaping @Sendable (Swift.Result<Result, StorageError>) -> Void
    ) {
        self.body = body
        self.then = then
    }

    var byteCount: Int { 256 }
    var count: Int { 1 }
    func seal() {}

    func apply(to db: Database) throws {
        let value = try body(db)
        result.withLock { $0 = value }
    }

    func finish(_ error: StorageError?) {
        if let error {
            then(.failure(error))
        } else if let value = result.withLock({ $0 }) {
            then(.success(value))
        }
    }
}
