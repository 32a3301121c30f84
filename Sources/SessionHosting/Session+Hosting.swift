import Hosting
package import Sessions
package import Storage

/// A session as its loop hosts it.
extension Session: Resident {
    package typealias Changes = SessionChanges
    package static var kind: String { "session" }

    /// Its responses lead to it.
    package var aliases: [String] { generations.map(\.id) }

    package var onByteCountChange: ((_ change: Int) -> Void)? {
        get { onAppend }
        set { onAppend = newValue }
    }

    package var isIdle: Bool { active == nil && queued.isEmpty && cursorCount == 0 }
    package var isWorking: Bool { isGenerating }

    /// nil: it is only in memory.
    private var durableLog: DurableLog? { log as? DurableLog }

    package var isCommitted: Bool { durableLog?.isCommitted ?? true }

    package func eraseFromStore(then: @escaping () -> Void) {
        guard let durableLog else { return then() }
        durableLog.delete()
        durableLog.whenCommitted(then)
    }

    /// The clients get a terminal event. What the store has, and is to be made although no client listens, is suspended.
    package func stop(isStored: Bool) {
        if isStored { suspend() }
        if isSuspended { return }
        dropQueued()
        cancelBeside()
        _ = try? cancel(by: nil, reason: .shutdown)
    }
}
