import Glibc
package import Network
package import Upstreams

/// Asks the upstreams what they have, for `GET /v1/models`.
package struct ModelList: Sendable {
    package let upstreams: [UpstreamConfiguration]
    package let isRehearsal: Bool
    /// Where the requests run.
    package let loop: EventLoop

    package init(_ upstreams: [UpstreamConfiguration], isRehearsal: Bool, loop: EventLoop) {
        self.upstreams = upstreams
        self.isRehearsal = isRehearsal
        self.loop = loop
    }

    /// An upstream that does not answer has the names that the operator gave.
    /// - Returns: the names, and whether all upstreams answered.
    func fetch() async -> (entries: [ModelNames.Entry], isWhole: Bool) {
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
        return (entries.filter { seen.insert($0.name).inserted }, isWhole)
    }

    /// For a session that names no model: the first name that the operator gave; empty if there is none.
    var preferredName: String {
        if isRehearsal { return "rehearsal" }
        for upstream in upstreams {
            if let name = upstream.modelNames.keys.min() { return name }
            if let name = upstream.models?.first(where: { $0.closeness == .name }) { return name.text }
        }
        return ""
    }
}
