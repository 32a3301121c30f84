/// Bytes that a session takes in memory: its logs, its conversation, and the settings of its responses. Every part reports what it
/// gains and loses, so that the sum of the changes is the total. Loop-confined.
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
