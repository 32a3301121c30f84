import Upstreams

/// Handling of tools that no upstream supports.
enum UnknownTools: String, CaseIterable, Sendable {
    case ignore, reject
}

extension ServeSettings {
    /// The upstreams of the flags or of the file.
    var allUpstreams: [UpstreamURL] { upstreamsFile?.upstreams ?? upstreams }

    /// The complete configurations of the upstreams.
    func upstreamConfigurations() throws(Failure) -> [UpstreamConfiguration] {
        if upstreamsFile != nil {
            if !upstreams.isEmpty { throw .usage("--upstreams: the file names all upstreams: leave --upstream out") }
            if !modelMappings.isEmpty { throw .usage("--map-model: with --upstreams FILE, give \"aliases\" in the file") }
        }
        if allUpstreams.count > RoutingOptions.maxUpstreams {
            throw .usage("--upstream: there are \(allUpstreams.count), but at most \(RoutingOptions.maxUpstreams) are possible")
        }
        let names = Dictionary(modelMappings.map { ($0.publicName, $0.upstreamName) }, uniquingKeysWith: { $1 })
        // Flags without priorities and weights define a first choice, a second, and so on.
        let isRanked = upstreamsFile == nil && !upstreams.contains { $0.members.priority != nil || $0.members.weight != nil }
        var result: [UpstreamConfiguration] = []
        for (index, upstream) in allUpstreams.enumerated() {
            var configuration = UpstreamConfiguration(
                baseURL: upstream.baseURL, dialect: upstream.dialect,
                key: upstreamKeys.count > 1 ? upstreamKeys[index] : upstreamKeys.first, modelNames: names,
                silenceTimeout: firstByteTimeout)
            // --map-model adds names, without removing any.
            if upstreamsFile == nil, !names.isEmpty { configuration.models = [ModelPattern("*")] }
            if isRanked { configuration.priority = index }
            configuration.wording = wording
            upstream.members.apply(to: &configuration)
            if configuration.prefill == .continueFinalMessage, configuration.dialect == .anthropicMessages {
                throw .usage(
                    "prefill=continue_final_message: \(upstream.baseURL) speaks Anthropic's messages: give trailing instead")
            }
            configuration.name = try uniqueName(configuration.name, isGiven: upstream.members.name != nil, among: result)
            result.append(configuration)
        }
        return result
    }

    private func uniqueName(
        _ name: String, isGiven: Bool, among others: [UpstreamConfiguration]
    ) throws(Failure) -> String {
        let taken = Set(others.map(\.name))
        if !taken.contains(name) { return name }
        if isGiven { throw .usage("two upstreams have the name \(name): give each its own") }
        var number = 2
        while taken.contains("\(name)#\(number)") { number += 1 }
        return "\(name)#\(number)"
    }
}
