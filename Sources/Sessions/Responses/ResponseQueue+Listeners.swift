/// Applies each response's disconnect policy when no listener is left, and after a restart.
extension ResponseQueue {
    // MARK: Disconnects

    /// The last listener has left.
    func lastListenerLeft() {
        if lifecycle == .closed { return }
        endGraces()
        // Responses that wait for a listener since a restart have grace periods of their own.
        let unheard = unfinished.filter { !$0.awaitsListener }
        var durations: Set<Duration> = []
        for case .grace(let duration) in unheard.map(\.policy) { durations.insert(duration) }
        for duration in durations {
            let overdue = unheard.filter { $0.policy == .grace(duration) }
            graceCancellations.append(
                context.host.schedule(after: duration) { [weak self] in self?.cancelUnheard(overdue) })
        }
        cancelUnheard(unheard.filter { $0.policy == .cancel })
    }

    func endGraces() {
        for cancel in graceCancellations { cancel() }
        graceCancellations = []
    }

    private func cancelUnheard(_ generations: [Generation]) {
        for generation in generations where lifecycle != .closed { cancelQuietly(generation, .disconnect) }
    }

    // MARK: After a restart

    /// Resumes unfinished responses after a restart, each by its disconnect policy: `continue` resumes, `grace` waits for a
    /// listener within the period, `cancel` is closed with its output so far.
    func recover() {
        for generation in waiting where generation.policy == .cancel { closeUnheard(generation) }
        // Must precede any resumption: a resumed response may fail at once, and the next one then begins.
        awaitListener()
        // A complete response no longer needs the model, nor a listener to end.
        if let running = active, running.phase.conclusion == nil {
            running.countCutAttempt()
            switch running.policy {
            case .continuing: goOn(running)
            case .grace: break
            case .cancel: closeUnheard(running)
            }
        }
        active?.goOnEnding()
        startNext()
    }

    /// A listener has returned, or has polled: resumes what has waited for one since the restart.
    func listenerReturned() {
        guard lifecycle == .open else { return }
        endRestartGraces()
        for generation in waiting { generation.listenerCame() }
        guard let running = active, running.awaitsListener else { return }
        running.listenerCame()
        goOn(running)
        startNext()
    }

    func endRestartGraces() {
        for cancel in restartGraces { cancel() }
        restartGraces = []
    }

    /// Grace periods begin once the server is available again: no client could have returned before.
    private func awaitListener() {
        var waiting: [Duration: [Generation]] = [:]
        for generation in unfinished {
            guard case .grace(let duration) = generation.policy, generation.phase.conclusion == nil else { continue }
            generation.awaitListener()
            waiting[duration, default: []].append(generation)
        }
        for (duration, generations) in waiting {
            restartGraces.append(
                context.host.schedule(after: duration) { [weak self] in
                    for generation in generations where generation.awaitsListener { self?.closeUnheard(generation) }
                    self?.startNext()
                })
        }
    }

    /// Closes a response without a listener that could receive the rest.
    private func closeUnheard(_ generation: Generation) {
        if active === generation {
            generation.stop(.incomplete(.serverRestarted))
            retire(generation)
        } else if discard(generation) {
            emitCancelled(generation, by: nil, nil, .restart)
        }
    }
}
