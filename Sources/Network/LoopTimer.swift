/// A single firing at a deadline on an event loop. Loop-confined.
public final class LoopTimer {
    let deadline: Instant
    private var action: (() -> Void)?

    init(deadline: Instant, action: @escaping () -> Void) {
        self.deadline = deadline
        self.action = action
    }

    /// Whether it can still fire.
    public var isPending: Bool { action != nil }

    /// Makes sure that it never fires. Frees what the action held at once.
    public func cancel() { action = nil }

    func fire() {
        guard let action else { return }
        self.action = nil
        action()
    }
}
