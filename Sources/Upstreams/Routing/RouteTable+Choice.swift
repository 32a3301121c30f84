import Network

/// The choice of the next upstream.
extension RouteTable {
    /// Chooses an upstream for a request.
    /// - Parameter taken: upstreams that earlier requests wait for; those that this request waits for are added.
    /// - Returns: nil if the request must wait.
    mutating func pick(
        _ request: Request, taken: inout UpstreamSet, now: Instant, deadline: Instant
    ) -> Answer? {
        // Health decides between upstreams. With a single one, refusing on its behalf would help no client.
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
                    // The trial in progress decides for all.
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
        // A paused upstream will be available soon; a broken one may not be.
        if let rested, rested <= deadline {
            nextChange = min(nextChange ?? rested, rested)
            return nil
        }
        return .refused(.unhealthy(retryAfterSeconds: max(1, healthyAt.map { ($0 - now).seconds } ?? 1)))
    }

    /// Smooth weighted round robin: every upstream gains its weight, and the one with the most credit is chosen and pays the sum.
    /// Even a short series of requests is thus spread by weight, without bursts to one upstream.
    private mutating func choose(_ eligible: UpstreamSet) -> Int {
        var eligible = eligible
        if options.balance == .leastBusy { eligible = leastBusy(of: eligible) }
        var total = 0
        var best = eligible.rawValue.trailingZeroBitCount
        eligible.forEach { index in
            members[index].credit += members[index].configuration.weight
            total += members[index].configuration.weight
            if members[index].credit > members[best].credit { best = index }
        }
        members[best].credit -= total
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
