import Hosting
import Logging
import Network
import Sessions
import Storage

/// The store for the sessions of one loop: writes go through the journal, reads come back to the loop. Loop-confined.
final class SessionStorage {
    let journal: Journal<SessionChanges>
    private let loop: EventLoop
    private let store: Store

    init(loop: EventLoop, store: Store) {
        self.loop = loop
        self.store = store
        journal = Journal(loop: loop) { store.makeOutbox(then: $0) }
    }

    /// Seconds since 1970.
    var unixTime: Int { loop.unixTime }
    /// A row key for a new session.
    func makeKey() -> Int { store.makeKey() }

    /// Reads old events of a session.
    func fetch(session: Int, after position: Int, maxBytes: Int, then: @escaping ([LogPage]) -> Void) {
        let answer = LoopBound(then, on: loop)
        let logger = loop.logger
        store.pages(ofSession: session, after: position, maxBytes: maxBytes) { result in
            let pages = Self.value(of: result, logger) ?? []
            answer.run { $0(pages) }
        }
    }

    /// Reads response headers that events of a session refer to.
    func fetch(headersOf session: Int, _ ordinals: Set<Int>, then: @escaping ([Int: ResponseHeader]) -> Void) {
        let answer = LoopBound(then, on: loop)
        let logger = loop.logger
        store.headers(ofSession: session, ordinals) { result in
            let headers = Self.value(of: result, logger) ?? [:]
            answer.run { $0(headers) }
        }
    }

    private static func value<Value>(of result: Result<Value, StorageError>, _ logger: Logger) -> Value? {
        switch result {
        case .success(let value): return value
        case .failure(let error):
            logger.error("events of a session could not be read", metadata: ["error": "\(error)"])
            return nil
        }
    }
}
