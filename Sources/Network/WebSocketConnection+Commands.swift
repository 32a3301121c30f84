public import WebSocket

/// Commands of the peer that take more than one iteration, and the end of the connection that waits for them.
final class CommandsUnderWay {
    fileprivate(set) var count = 0
    /// Our close frame, which follows the answers.
    var closing: (code: CloseCode, reason: String)?
    /// The end of the transport, not yet reported to the face.
    var ended: ConnectionClosed?
    /// Set while the end of the connection waits for the commands.
    fileprivate(set) var deadline: LoopTimer?
    /// What else waits for them.
    fileprivate var actions: [() -> Void] = []
}

extension WebSocketConnection {
    /// Delays the end of the connection until a command of the peer is done.
    ///
    /// A face that continues a command in a later iteration, after another loop, the store or a worker thread, wraps the
    /// continuation:
    ///
    ///     session.perform(command, from: loop, then: delayingEnd { outcome in … })
    ///
    /// Until it has returned, the peer's close frame and the end of its input are left unread, so that the answer can be sent;
    /// ``close(_:reason:)`` takes effect after the answer; and ``closed(_:)`` is not called, even if the transport is gone. All of
    /// these wait for ``closeTimeout`` at most. A continuation that needs a further iteration wraps the next one, too.
    ///
    /// - Parameter then: to be called once, on the loop. After the timeout, it finds ``hasEnded`` set.
    public final func delayingEnd<Value>(until then: @escaping (Value) -> Void) -> (Value) -> Void {
        if hasEnded { return then }
        let commands = commands ?? CommandsUnderWay()
        self.commands = commands
        commands.count += 1
        return { value in
            then(value)
            commands.count -= 1
            while commands.count == 0, commands === self.commands, !commands.actions.isEmpty {
                // The end waits for these, too, and for the commands that they let begin.
                commands.count += 1
                commands.actions.removeFirst()()
                commands.count -= 1
            }
            if commands.count == 0, commands === self.commands { self.endCommands() }
        }
    }

    /// Whether ``closed(_:)`` was called. Work that begins afterwards is not told of the end.
    public final var hasEnded: Bool { isConcluded && commands == nil }

    /// Whether the end of the connection would wait for a command.
    public final var hasCommandsUnderWay: Bool { commands != nil }

    /// Runs an action when the commands under way are done or overdue; at once if there are none. It is part of the command that asks
    /// for it: the end of the connection waits for it, too.
    public final func whenCommandsAreDone(_ action: @escaping () -> Void) {
        if let commands { commands.actions.append(action) } else { action() }
    }

    /// Whether the end of the connection must wait for commands, at most ``closeTimeout`` from the first call on.
    func endMustWait() -> Bool {
        guard let commands else { return false }
        if commands.deadline == nil {
            // Strong: once an object has been referenced weakly, each retain costs several times as much.
            commands.deadline = loop.schedule(after: Self.closeTimeout) { self.endCommands() }
        }
        return true
    }

    /// Like ``close(_:reason:)``, but does not wait for the commands under way; a close that already waits for them takes effect,
    /// too.
    public final func closeAtOnce(_ code: CloseCode, reason: String = "") {
        close(code, reason: reason)
        endCommands()
    }

    /// The commands are done, or overdue: what waited for them takes effect.
    private func endCommands() {
        guard let commands else { return }
        self.commands = nil
        // Left only if the commands are overdue.
        defer { for action in commands.actions { action() } }
        guard let deadline = commands.deadline else { return }
        deadline.cancel()
        if let end = commands.ended { return closed(end) }
        if let (code, reason) = commands.closing { close(code, reason: reason) }
        readOn()
    }
}
