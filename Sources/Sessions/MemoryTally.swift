/// A session's size in memory, in bytes: its logs, conversation and response parameters. Every part reports its changes; their sum
/// is the total. Loop-confined.
final class MemoryTally {
    private(set) var byteCount = 0
    /// Called with each change: for budgets that span sessions.
    var onChange: ((_ byteCountChange: Int) -> Void)?

    func changed(by change: Int) {
        if change == 0 { return }
        byteCount += change
        onChange?(change)
    }
}
