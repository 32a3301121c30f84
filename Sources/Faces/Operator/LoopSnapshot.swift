import API
import Hosting
import Network
import SessionHosting
import Upstreams

/// The counters of one loop, copied on it in one iteration.
struct LoopSnapshot: Sendable {
    let index: Int
    let network: LoopCounters
    let census: LoopCensus
    let calls: CallCounters
    let sessionCounters: SessionCounters
    let upstreamRequests: [String: UInt64]
    let upstreamRetries: UInt64
    let timeToFirstToken: Histogram
    let sessions: Int
    let activeGenerations: Int
    let queuedGenerations: Int
    let logBytes: Int

    init(_ sessions: SessionLoop, _ calls: CallLoop, _ upstreams: UpstreamCounters) {
        sessions.residents.memory.report()
        index = sessions.loop.index
        network = sessions.loop.counters.pointee
        census = sessions.loop.census()
        self.calls = calls.counters
        sessionCounters = sessions.counters
        upstreamRequests = upstreams.requests
        upstreamRetries = upstreams.retries
        timeToFirstToken = upstreams.timeToFirstToken
        self.sessions = sessions.residents.count
        activeGenerations = sessions.activeCount
        queuedGenerations = sessions.queuedCount
        logBytes = sessions.residents.byteCount
    }
}
