package import Network

/// A handle to an object, wherever it lives: commands and cursors reach it through ``perform(from:_:then:)``. Safe from any thread.
package struct ObjectReference<Object>: Sendable {
    /// Identifier of the object.
    package let id: String
    /// The principal that may use it.
    package let owner: String
    /// Where the object lives.
    package let placement: Placement<Object>
    /// Index among all objects of its kind by age.
    package let ordinal: Int
    /// Whether the store has it.
    package let isStored: Bool

    /// A reference to an object that lives at `placement`.
    package init(id: String, owner: String, placement: Placement<Object>, ordinal: Int, isStored: Bool) {
        self.id = id
        self.owner = owner
        self.placement = placement
        self.ordinal = ordinal
        self.isStored = isStored
    }

    /// The object, for code that runs on its loop.
    package var bound: LoopBound<Object> {
        switch placement {
        case .loop(let bound): bound
        }
    }

    /// The loop that the object lives on.
    package var loop: EventLoop { bound.loop }

    /// Runs `body` on the object's loop and `then` on the caller's; both within this call if they are the same loop.
    /// - Parameters:
    ///   - loop: the caller's.
    ///   - body: passes its result to the given closure, at once or later.
    package func perform<Result: Sendable>(
        from loop: EventLoop, _ body: @escaping @Sendable (Object, @escaping (Result) -> Void) -> Void,
        then: @escaping (Result) -> Void
    ) {
        switch placement {
        case .loop(let bound):
            if loop === bound.loop { return body(bound.value, then) }
            let answer = LoopBound(then, on: loop)
            bound.loop.execute { body(bound.value) { result in answer.run { $0(result) } } }
        }
    }
}
