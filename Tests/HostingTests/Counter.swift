import Network
import Synchronization

@testable import Hosting

/// The smallest object that can be hosted: a number that commands add to, and that a store has.
final class Counter: Resident, Journaled {
    typealias Changes = CounterChanges
    static let kind = "counter"

    let id: String
    let owner: String
    var aliases: [String] = []
    private(set) var value: Int
    /// The value that the store is known to have.
    private(set) var committedValue: Int
    private let journal: Journal<CounterChanges>?
    var journalEntry = JournalEntry()

    var onByteCountChange: ((_ change: Int) -> Void)?
    var byteCount = 100 {
        didSet { onByteCountChange?(byteCount - oldValue) }
    }
    /// What keeps it in use.
    var followerCount = 0
    var isWorking = false
    var waitingCount = 0
    private var isSuspended = false

    enum Notice: Equatable {
        case unloaded, closed, abandoned, stalled, stopping, ended, suspended, lost, relieved
    }
    /// What its host and its journal told it.
    private(set) var notices: [Notice] = []

    init(id: String, owner: String = "ann", value: Int = 0, journal: Journal<CounterChanges>?) {
        self.id = id
        self.owner = owner
        self.value = value
        committedValue = value
        self.journal = journal
    }

    /// - Parameter byteCount: bytes that the change takes on its way to the store.
    func add(_ amount: Int, byteCount: Int = 16) {
        value += amount
        journal?.write(for: self) { $0.append(.value(value, owner: owner, aliases: aliases), to: id, byteCount: byteCount) }
    }

    // MARK: Resident

    var isIdle: Bool { followerCount == 0 && isAtRest }
    var isAtRest: Bool { isSuspended || !isWorking && waitingCount == 0 }
    var isCommitted: Bool { journal?.isCommitted(self) ?? true }

    func unload() { notices.append(.unloaded) }
    func close() { notices.append(.closed) }
    func abandon() { notices.append(.abandoned) }
    func announceStall() { notices.append(.stalled) }
    func announceStop() { notices.append(.stopping) }

    func eraseFromStore(then: @escaping () -> Void) {
        guard let journal else { return then() }
        journal.write(for: self) { $0.append(.deleted, to: id, byteCount: 16) }
        journal.close(self)
        journal.whenCommitted(self, then)
    }

    func stop(isStored: Bool) {
        guard isWorking else { return }
        isWorking = false
        waitingCount = 0
        isSuspended = isStored
        notices.append(isStored ? .suspended : .ended)
        add(0)
    }

    // MARK: Journaled

    var lastPosition: Int { value }
    func committed(upTo position: Int) { committedValue = position }
    func lost() {
        notices.append(.lost)
        onLoss?()
    }
    var onLoss: (() -> Void)?
    func relieved() { notices.append(.relieved) }
}

/// Changes of counters.
struct CounterChanges: JournalChanges {
    enum Change: Equatable {
        case value(Int, owner: String, aliases: [String])
        case deleted
    }

    private(set) var list: [(id: String, change: Change)] = []
    private(set) var byteCount = 0
    var isEmpty: Bool { list.isEmpty }

    mutating func append(_ change: Change, to id: String, byteCount: Int) {
        list.append((id, change))
        self.byteCount += byteCount
    }
}
