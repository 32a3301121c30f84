/// A one-shot timer on an event loop. Loop-confined.
public final class LoopTimer {
    let deadline: Instant
    private var action: (() -> Void)?

    init(deadline: Instant, action: @escaping () -> Void) {
        self.deadline = deadline
        self.action = action
    }

    /// Whether the timer can still fire.
    public var isPending: Bool { action != nil }

    /// Cancels the timer, and releases what its action captured.
    public func cancel() { action = nil }

    func fire() {
        guard let action else { return }
        self.action = nil
        action()
    }
}
