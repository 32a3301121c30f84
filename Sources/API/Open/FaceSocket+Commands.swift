import Network
package import SessionHosting
package import Sessions

/// Steps of a command that end in a later iteration. The end of the connection waits for each: see
/// ``Network/WebSocketConnection/delayingEnd(until:)``.
///
/// The continuations are called once, on the socket's loop. They find ``Network/WebSocketConnection/hasEnded`` set if the step took
/// longer than that wait.
extension FaceSocket {
    /// Like ``APIServices/find(session:owner:from:then:)``, for the caller.
    package final func find(session id: String, then: @escaping (Result<SessionReference?, APIError>) -> Void) {
        services.find(session: id, owner: owner, from: loop, then: delayingEnd(until: then))
    }

    /// Like ``APIServices/find(response:owner:from:then:)``, for the caller.
    package final func find(response id: String, then: @escaping (Result<SessionReference?, APIError>) -> Void) {
        services.find(response: id, owner: owner, from: loop, then: delayingEnd(until: then))
    }

    /// Like ``SessionHosting/SessionReference/perform(_:reader:listens:from:then:)``.
    package final func perform(
        _ command: SessionCommand.Kind, on session: SessionReference, reader: EventReader? = nil,
        then: @escaping (SessionOutcome) -> Void
    ) {
        session.perform(command, reader: reader, from: loop, then: delayingEnd(until: then))
    }

    /// Like ``Network/WorkerPool/run(for:on:_:then:)``, for the caller.
    package final func runOffLoop<Value: Sendable>(_ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void) {
        WorkerPool.shared.run(for: owner, on: loop, work, then: delayingEnd(until: then))
    }

    /// Makes the client's next messages wait, in their order, until a command is answered: they stay unparsed in the receive buffer
    /// or in the kernel.
    /// - Returns: ends the wait. Must be called once on every path that ends the command, even if the connection has ended
    ///   meanwhile.
    package final func pauseUntilAnswered() -> () -> Void {
        pauseForStep()
        return { [self] in resumeAfterStep() }
    }

    /// Like ``runOffLoop(_:then:)``, but the client's next messages wait, in their order.
    package final func runInOrder<Value: Sendable>(_ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void) {
        pauseForStep()
        runOffLoop(work) { [self] value in
            // Also while the socket closes: the client's close frame must be read.
            defer { resumeAfterStep() }
            then(value)
        }
    }
}
