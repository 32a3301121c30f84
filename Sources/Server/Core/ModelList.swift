import Glibc
import Network
import Upstreams

/// Asks the upstreams what they have, for `GET /v1/models`.
struct ModelList {
    let context: ServerContext
    let upstreams: [UpstreamConfiguration]
    let isRehearsal: Bool
    /// Where the requests run.
    let loop: EventLoop

    /// An upstream that does not answer has the names that the operator gave.
    /// - Returns: whether all of them answered.
    func refresh() async -> Bool {
        var isWhole = true
        let now = time(nil)
        var entries: [ModelNames.Entry] = []
        for upstream in upstreams {
            for name in upstream.modelNames.keys.sorted() { entries.append(.init(name: name, ownedBy: "upstream", created: now)) }
            let owner = isRehearsal ? "interject-rehearsal" : "upstream"
            let report = await UpstreamProbe.check(upstream, on: loop)
            if !report.isServing { isWhole = false }
            // What it has beyond what it is there for is not offered.
            for name in report.models where upstream.closeness(to: name) != nil {
                entries.append(.init(name: name, ownedBy: owner, created: now))
            }
        }
        var seen: Set<String> = []
        context.modelNames.set(entries.filter { seen.insert($0.name).inserted })
        return isWhole
    }
}
