/// Carries a loop-confined value through code that may run anywhere; accessible only on its loop.
///
/// The compiler cannot know that a class is confined to one thread. This asserts it, and checks it on each access.
public struct LoopBound<Value>: @unchecked Sendable {
    public let loop: EventLoop
    @usableFromInline let bound: Value

    /// - Precondition: called on `loop`.
    public init(_ value: Value, on loop: EventLoop) {
        loop.checkIsolated()
        self.loop = loop
        bound = value
    }

    /// Transfers a new, unshared value to another loop.
    public init(transferring value: sending Value, to loop: EventLoop) {
        self.loop = loop
        bound = value
    }

    /// The value. - Precondition: called on ``loop``.
    @inlinable public var value: Value {
        loop.checkIsolated()
        return bound
    }

    /// Runs `body` with the value on its loop: immediately if called there, otherwise through its mailbox.
    public func run(_ body: @escaping @Sendable (Value) -> Void) {
        if loop.isCurrent { body(bound) } else { loop.execute { body(value) } }
    }

    /// Runs `body` with the value on its loop and returns its result.
    public func call<Result: Sendable>(_ body: @escaping @Sendable (Value) -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            run { continuation.resume(returning: body($0)) }
        }
    }
}
