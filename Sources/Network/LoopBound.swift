/// Carries a loop-confined value through code that may run anywhere; opens only on its loop.
///
/// The compiler cannot see that a class is touched on one thread only. This says it, and checks it when the value is used.
public struct LoopBound<Value>: @unchecked Sendable {
    public let loop: EventLoop
    @usableFromInline let bound: Value

    /// - Precondition: called on `loop`.
    public init(_ value: Value, on loop: EventLoop) {
        loop.checkIsolated()
        self.loop = loop
        bound = value
    }

    /// Gives a value that was just made, and that nobody else holds, to another loop.
    public init(transferring value: sending Value, to loop: EventLoop) {
        self.loop = loop
        bound = value
    }

    /// The value. - Precondition: called on ``loop``.
    @inlinable public var value: Value {
        loop.checkIsolated()
        return bound
    }

    /// Runs `body` with the value on its loop: at once when the caller is there, else by its mailbox.
    public func run(_ body: @escaping @Sendable (Value) -> Void) {
        if loop.isCurrent { body(bound) } else { loop.execute { body(value) } }
    }

    /// Runs `body` with the value on its loop and brings back what it returns.
    public func call<Result: Sendable>(_ body: @escaping @Sendable (Value) -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            run { continuation.resume(returning: body($0)) }
        }
    }
}
