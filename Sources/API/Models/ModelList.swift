import Glibc
package import Network
package import Upstreams

/// Queries the upstreams for their models, for `GET /v1/models`.
package struct ModelList: Sendable {
    /// The configured upstreams.
    package let upstreams: [UpstreamConfiguration]
    /// Whether the upstream is the rehearsal model.
    package let isRehearsal: Bool
    /// The loop that sends the requests.
    package let loop: EventLoop

    /// A list of the upstreams' models.
    package init(_ upstreams: [UpstreamConfiguration], isRehearsal: Bool, loop: EventLoop) {
        self.upstreams = upstreams
        self.isRehearsal = isRehearsal
        self.loop = loop
    }

    /// Fetches the list. For an unavailable upstream, it contains the configured names.
    /// - Returns: the models, and whether all upstreams responded.
    func fetch() async -> (entries: [ModelNames.Entry], isWhole: Bool) {
        var isWhole = true
        let now = time(nil)
        var entries: [ModelNames.Entry] = []
        for upstream in upstreams {
            for name in upstream.modelNames.keys.sorted() { entries.append(.init(name: name, ownedBy: "upstream", created: now)) }
            let owner = isRehearsal ? "interject-rehearsal" : "upstream"
            let report = await UpstreamProbe.check(upstream, on: loop)
            if !report.isServing { isWhole = false }
            // An upstream may have models outside of those configured for it; these are not listed.
            for name in report.models where upstream.closeness(to: name) != nil {
                entries.append(.init(name: name, ownedBy: owner, created: now))
            }
        }
        var seen: Set<String> = []
        return (entries.filter { seen.insert($0.name).inserted }, isWhole)
    }

    /// The model of a session that names none: the first configured one; empty if there is none.
    var preferredName: String {
        if isRehearsal { return "rehearsal" }
        for upstream in upstreams {
            if let name = upstream.modelNames.keys.min() { return name }
            if let name = upstream.models?.first(where: { $0.closeness == .name }) { return name.text }
        }
        return ""
    }
}
