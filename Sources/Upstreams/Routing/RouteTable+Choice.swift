import Network

/// Who is asked next.
extension RouteTable {
    /// - Parameter taken: upstreams that those before wait for; those that this one waits for are added.
    /// - Returns: nil when it must wait.
    mutating func pick(
        _ request: Request, taken: inout UpstreamSet, now: Instant, deadline: Instant
    ) -> Answer? {
        // Health decides between upstreams. Where there is but one, refusing on its behalf would help nobody.
        let isOnly = request.candidates.count == 1
        var full: UpstreamSet = []
        var rested: Instant?
        var healthyAt: Instant?
        for group in request.groups {
            var eligible: UpstreamSet = []
            group.subtracting(request.excluded).forEach { index in
                watch(index) { $0.breaker.refresh(now: now) }
                if !isOnly, !members[index].isHealthy(now) {
                    let at = members[index].healthyAt(now)
                    healthyAt = min(healthyAt ?? at, at)
                    if members[index].onlyRests(now) { rested = min(rested ?? at, at) }
                    // How the trial that is under way ends decides for all.
                    if members[index].breaker.state == .halfOpen(isTrying: true) { full.insert(index) }
                    return
                }
                if taken.contains(index) {
                    full.insert(index)
                    return
                }
                switch members[index].room(for: request.tokens, now: now) {
                case .now: eligible.insert(index)
                case .at(let time):
                    full.insert(index)
                    nextChange = min(nextChange ?? time, time)
                case .later: full.insert(index)
                }
            }
            if !eligible.isEmpty { return .granted(lease(choose(eligible), request.tokens, now)) }
        }
        if !full.isEmpty {
            taken.formUnion(full)
            return nil
        }
        // One that asked for a pause is soon back; one that is broken may not be.
        if let rested, rested <= deadline {
            nextChange = min(nextChange ?? rested, rested)
            return nil
        }
        return .refused(.unhealthy(retryAfterSeconds: max(1, healthyAt.map { ($0 - now).seconds } ?? 1)))
    }

    /// Smooth weighted round robin: each gains its weight, who has most is next and pays what all gained. So every run of requests
    /// is spread by weight, also a short one, and no upstream gets its share in one piece.
    private mutating func choose(_ eligible: UpstreamSet) -> Int {
        var eligible = eligible
        if options.balance == .leastBusy { eligible = leastBusy(of: eligible) }
        var total = 0
        var best = eligible.rawValue.trailingZeroBitCount
        eligible.forEach { index in
            members[index].turn += members[index].configuration.weight
            total += members[index].configuration.weight
            if members[index].turn > members[best].turn { best = index }
        }
        members[best].turn -= total
        return best
    }

    private func leastBusy(of eligible: UpstreamSet) -> UpstreamSet {
        var least: UpstreamSet = []
        var load = Double.infinity
        eligible.forEach { index in
            let own = Double(members[index].inFlight) / Double(members[index].configuration.weight)
            if own < load { least = [] }
            if own <= load {
                least.insert(index)
                load = own
            }
        }
        return least
    }

    private mutating func lease(_ index: Int, _ tokens: Int, _ now: Instant) -> Lease {
        members[index].inFlight += 1
        members[index].requests?.take(1, now: now)
        members[index].tokens?.take(Double(tokens), now: now)
        return Lease(upstream: index, pass: watch(index) { $0.breaker.begin() }, tokens: tokens)
    }
}
