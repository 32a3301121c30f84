import Hosting
package import Sessions
package import Storage

/// A session as hosted by its loop.
extension Session: Resident {
    package typealias Changes = SessionChanges
    package static var kind: String { "session" }

    /// Its responses' identifiers.
    package var aliases: [String] { generations.map(\.id) }

    package var onByteCountChange: ((_ change: Int) -> Void)? {
        get { onAppend }
        set { onAppend = newValue }
    }

    package var isIdle: Bool { active == nil && queued.isEmpty && cursorCount == 0 }
    package var isWorking: Bool { isGenerating }

    /// Nil for a session that is in memory only.
    private var durableLog: DurableLog? { log as? DurableLog }

    package var isCommitted: Bool { durableLog?.isCommitted ?? true }

    package func eraseFromStore(then: @escaping () -> Void) {
        guard let durableLog else { return then() }
        durableLog.delete()
        durableLog.whenCommitted(then)
    }

    /// Clients get a terminal event. Stored work that continues without listeners is suspended instead.
    package func stop(isStored: Bool) {
        if isStored { suspend() }
        if isSuspended { return }
        dropQueued()
        cancelBeside()
        _ = try? cancel(by: nil, reason: .shutdown)
    }
}
