import ArgumentParser

/// The flags of the table, for commands that take them. Values remain text here, since all sources are parsed in the same way.
struct SettingFlags: ParsableArguments {
    @Option(.host) var host: String?
    @Option(.port) var port: String?
    @Option(.unixSocket) var unixSocket: String?
    @Option(.unixSocketMode) var unixSocketMode: String?
    @Option(.unixSocketOwner) var unixSocketOwner: String?
    @Option(.tlsPort) var tlsPort: String?
    @Option(.tlsCertificate) var tlsCertificate: [String] = []
    @Option(.tlsKey) var tlsKey: [String] = []
    @Option(.tlsClientCA) var tlsClientCA: String?
    @Option(.tlsClientAuth) var tlsClientAuth: String?
    @Option(.tlsMinVersion) var tlsMinVersion: String?
    @Option(.loops) var loops: String?
    @Option(.upstream) var upstream: [String] = []
    @Option(.upstreamsFile) var upstreamsFile: String?
    @Option(.upstreamKey) var upstreamKey: [String] = []
    @Option(.interruptionNote) var interruptionNote: String?
    @Option(.namePrefix) var namePrefix: String?
    @Option(.unknownTools) var unknownTools: String?
    @Option(.mapModel) var mapModel: [String] = []
    @Option(.firstByteTimeout) var firstByteTimeout: String?
    @Option(.rehearsalPort) var rehearsalPort: String?
    @Option(.apiKey) var apiKey: [String] = []
    @Flag(.requireKey) var requireKey = false
    @Option(.requestsPerMinute) var requestsPerMinute: String?
    @Option(.tokensPerMinute) var tokensPerMinute: String?
    @Option(.maxConcurrent) var maxConcurrent: String?
    @Option(.cutAs) var cutAs: String?
    @Option(.failedKeyLimit) var failedKeyLimit: String?
    @Option(.idempotencyRetention) var idempotencyRetention: String?
    @Option(.jwtKeys) var jwtKeys: String?
    @Option(.jwtIssuer) var jwtIssuer: String?
    @Option(.jwtAudience) var jwtAudience: String?
    @Option(.jwtOwnerClaim) var jwtOwnerClaim: String?
    @Option(.jwtScopeClaim) var jwtScopeClaim: String?
    @Option(.jwtSecret) var jwtSecret: String?
    @Flag(.insecureNoAuth) var insecureNoAuth = false
    @Option(.allowOrigin) var allowOrigin: [String] = []
    @Option(.headerTimeout) var headerTimeout: String?
    @Option(.bodyTimeout) var bodyTimeout: String?
    @Option(.idleTimeout) var idleTimeout: String?
    @Option(.stallTimeout) var stallTimeout: String?
    @Option(.maxHeaderBytes) var maxHeaderBytes: String?
    @Option(.maxBodyBytes) var maxBodyBytes: String?
    @Option(.trustedProxy) var trustedProxy: [String] = []
    @Flag(.proxyProtocol) var proxyProtocol = false
    @Option(.heartbeat) var heartbeat: String?
    @Option(.runnerModel) var runnerModel: String?
    @Option(.runnerWait) var runnerWait: String?
    @Option(.runnerLease) var runnerLease: String?
    @Option(.data) var data: String?
    @Option(.durability) var durability: String?
    @Option(.retention) var retention: String?
    @Option(.maxDataBytes) var maxDataBytes: String?
    @Option(.logMemory) var logMemory: String?
    @Option(.logBytesPerSession) var logBytesPerSession: String?
    @Option(.maxMessageBytes) var maxMessageBytes: String?
    @Option(.deflate) var deflate: String?
    @Option(.deflateWindowBits) var deflateWindowBits: String?
    @Option(.deflateMemoryLevel) var deflateMemoryLevel: String?
    @Option(.deflateMinBytes) var deflateMinBytes: String?
    @Option(.drain) var drain: String?
    @Option(.drainDelay) var drainDelay: String?
    @Option(.drainWindow) var drainWindow: String?
    @Option(.maxConnections) var maxConnections: String?
    @Option(.maxConnectionsPerAddress) var maxConnectionsPerAddress: String?
    @Option(.connectionRate) var connectionRate: String?
    @Flag(.limitLoopback) var limitLoopback = false
    @Option(.memoryBudget) var memoryBudget: String?
    @Option(.pingInterval) var pingInterval: String?
    @Option(.idleLimit) var idleLimit: String?
    @Option(.lifetimeLimit) var lifetimeLimit: String?
    @Option(.operatorKey) var operatorKey: String?
    @Option(.maxFileBytes) var maxFileBytes: String?
    @Option(.maxFileBytesPerOwner) var maxFileBytesPerOwner: String?
    @Option(.batchConcurrency) var batchConcurrency: String?
    @Option(.batchConcurrencyEach) var batchConcurrencyEach: String?
    @Option(.batchAttempts) var batchAttempts: String?
    @Option(.maxBatchRequests) var maxBatchRequests: String?
    @Option(.webhook) var webhook: [String] = []
    @Option(.webhookSecret) var webhookSecret: [String] = []
    @Flag(.webhooksAllowPrivate) var webhooksAllowPrivate = false
    @Option(.webhookRetryBase) var webhookRetryBase: String?
    @Option(.logLevel) var logLevel: String?
    @Option(.logFormat) var logFormat: String?
    @Flag(.accessLog) var accessLog = false
    @Option(.readyFile) var readyFile: String?
    @Option(.config) var config: String?

    /// The given flags, by name of the setting.
    var given: [String: [String]] {
        let flags: [(Setting, [String])] = [
            (.host, host), (.port, port), (.unixSocket, unixSocket), (.unixSocketMode, unixSocketMode),
            (.unixSocketOwner, unixSocketOwner), (.loops, loops),
            (.headerTimeout, headerTimeout), (.bodyTimeout, bodyTimeout), (.idleTimeout, idleTimeout),
            (.stallTimeout, stallTimeout),
            (.maxHeaderBytes, maxHeaderBytes), (.maxBodyBytes, maxBodyBytes), (.proxyProtocol, proxyProtocol ? "true" : nil),
            (.tlsPort, tlsPort), (.tlsClientCA, tlsClientCA), (.tlsClientAuth, tlsClientAuth), (.tlsMinVersion, tlsMinVersion),

            (.firstByteTimeout, firstByteTimeout), (.rehearsalPort, rehearsalPort), (.heartbeat, heartbeat),
            (.runnerModel, runnerModel), (.runnerWait, runnerWait), (.runnerLease, runnerLease),
            (.data, data), (.durability, durability), (.retention, retention), (.maxDataBytes, maxDataBytes),
            (.logMemory, logMemory), (.logBytesPerSession, logBytesPerSession),
            (.maxMessageBytes, maxMessageBytes), (.deflate, deflate), (.deflateWindowBits, deflateWindowBits),
            (.deflateMemoryLevel, deflateMemoryLevel), (.deflateMinBytes, deflateMinBytes), (.drain, drain), (.logLevel, logLevel),
            (.logFormat, logFormat), (.accessLog, accessLog ? "true" : nil),
            (.readyFile, readyFile), (.config, config), (.insecureNoAuth, insecureNoAuth ? "true" : nil),
            (.drainDelay, drainDelay), (.drainWindow, drainWindow), (.maxConnections, maxConnections),
            (.maxConnectionsPerAddress, maxConnectionsPerAddress), (.connectionRate, connectionRate),
            (.limitLoopback, limitLoopback ? "true" : nil), (.memoryBudget, memoryBudget), (.pingInterval, pingInterval),
            (.idleLimit, idleLimit), (.lifetimeLimit, lifetimeLimit), (.operatorKey, operatorKey), (.upstreamsFile, upstreamsFile),
            (.interruptionNote, interruptionNote), (.namePrefix, namePrefix), (.unknownTools, unknownTools),
            (.requireKey, requireKey ? "true" : nil), (.requestsPerMinute, requestsPerMinute),
            (.tokensPerMinute, tokensPerMinute), (.maxConcurrent, maxConcurrent), (.cutAs, cutAs),
            (.failedKeyLimit, failedKeyLimit),
            (.idempotencyRetention, idempotencyRetention), (.jwtKeys, jwtKeys), (.jwtIssuer, jwtIssuer),
            (.jwtAudience, jwtAudience), (.jwtOwnerClaim, jwtOwnerClaim), (.jwtScopeClaim, jwtScopeClaim), (.jwtSecret, jwtSecret),
            (.maxFileBytes, maxFileBytes), (.maxFileBytesPerOwner, maxFileBytesPerOwner),
            (.batchConcurrency, batchConcurrency), (.batchConcurrencyEach, batchConcurrencyEach), (.batchAttempts, batchAttempts),
            (.maxBatchRequests, maxBatchRequests),
            (.webhooksAllowPrivate, webhooksAllowPrivate ? "true" : nil), (.webhookRetryBase, webhookRetryBase),
        ].map { (setting: Setting, value: String?) in (setting, value.map { [$0] } ?? []) }
        let lists: [(Setting, [String])] = [
            (.upstream, upstream), (.upstreamKey, upstreamKey), (.mapModel, mapModel), (.apiKey, apiKey),
            (.allowOrigin, allowOrigin), (.trustedProxy, trustedProxy), (.tlsCertificate, tlsCertificate), (.tlsKey, tlsKey),
            (.webhook, webhook), (.webhookSecret, webhookSecret),
        ]
        return Dictionary(
            (flags + lists).filter { !$0.1.isEmpty }.map { ($0.0.name, $0.1) }, uniquingKeysWith: { first, _ in first })
    }

    /// Resolves the settings from all sources.
    func resolve() throws(Failure) -> ServeSettings {
        try SettingSources(flags: given, environment: .process, readFile: Files.read).resolve()
    }
}

extension Setting {
    fileprivate var help: ArgumentHelp {
        let notes = [defaultText.map { "default \($0)" }, isList ? "repeatable" : nil, variable].compactMap(\.self)
        return ArgumentHelp("\(text) (\(notes.joined(separator: ", ")))", valueName: valueName ?? name)
    }
}

extension Option where Value == String? {
    fileprivate init(_ setting: Setting) { self.init(name: .customLong(setting.name), help: setting.help) }
}

extension Option where Value == [String] {
    fileprivate init(wrappedValue: [String], _ setting: Setting) {
        self.init(wrappedValue: wrappedValue, name: .customLong(setting.name), parsing: .singleValue, help: setting.help)
    }
}

extension Flag where Value == Bool {
    fileprivate init(wrappedValue: Bool, _ setting: Setting) {
        self.init(wrappedValue: wrappedValue, name: .customLong(setting.name), help: setting.help)
    }
}
