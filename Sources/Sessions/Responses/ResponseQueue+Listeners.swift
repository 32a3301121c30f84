/// What becomes of responses when no listener is left, and after the server was started again: each goes by its disconnect policy.
extension ResponseQueue {
    // MARK: Disconnects

    /// The last listener is gone.
    func lastListenerLeft() {
        if lifecycle == .closed { return }
        endGraces()
        // What waits for a listener since the restart has a grace of its own.
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

    /// Goes on with what had not ended when the process did, each by its disconnect policy: `continue` goes on where it was, `grace`
    /// waits for a listener as long as it says, `cancel` is closed with what it had said.
    func recover() {
        for generation in waiting where generation.policy == .cancel { closeUnheard(generation) }
        // Before anything goes on: what goes on may fail at once, and the next one begins then.
        awaitListener()
        // What was whole has heard its model, and needs no listener to end.
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

    /// A listener is there again, or asks what comes next: what waited for one since the restart goes on.
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

    /// The grace of each begins when the server is there again: while it was not, nobody could have come back.
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

    /// Nobody is there, or nobody came back, to hear the rest.
    private func closeUnheard(_ generation: Generation) {
        if active === generation {
            generation.stop(.incomplete(.serverRestarted))
            retire(generation)
        } else if discard(generation) {
            emitCancelled(generation, by: nil, nil, .restart)
        }
    }
}
