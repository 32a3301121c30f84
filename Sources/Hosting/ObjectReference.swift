package import Network

/// An object from the outside, wherever it lives: commands and cursors reach it by ``perform(from:_:then:)``. Safe from any thread.
package struct ObjectReference<Object>: Sendable {
    package let id: String
    /// The principal that may use it.
    package let owner: String
    package let placement: Placement<Object>
    /// Position among all objects of its kind by age.
    package let ordinal: Int
    /// Whether the store has it.
    package let isStored: Bool

    package init(id: String, owner: String, placement: Placement<Object>, ordinal: Int, isStored: Bool) {
        self.id = id
        self.owner = owner
        self.placement = placement
        self.ordinal = ordinal
        self.isStored = isStored
    }

    /// The object, for code that runs where it lives.
    package var bound: LoopBound<Object> {
        switch placement {
        case .loop(let bound): bound
        }
    }

    /// The loop that the object lives on.
    package var loop: EventLoop { bound.loop }

    /// Runs `body` where the object lives and `then` on the caller's loop; both within this call when that is the same loop.
    /// - Parameters:
    ///   - loop: the caller's.
    ///   - body: passes its result to the closure that it gets, at once or later.
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
