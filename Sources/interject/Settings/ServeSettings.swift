import Access
import HTTP
import Jobs
import Logging
import Network
import Server
import Sessions
import Storage
import Upstreams
import WebSocket

/// The operator's settings and their defaults. Defaults that the server itself defines are taken from there.
struct ServeSettings: Sendable {
    enum Switch: String, CaseIterable, Sendable { case on, off }
    enum LogFormat: String, CaseIterable, Sendable { case text, json }

    private static let defaults = ServerConfiguration()

    var host = "127.0.0.1"
    /// nil: no plain TCP.
    var port: UInt16? = 8080
    /// nil: no TLS.
    var tlsPort: UInt16?
    var tlsCertificates: [String] = []
    var tlsKeys: [String] = []
    var tlsClientAuthorities: String?
    var tlsClientAuthentication = TLSSettings.ClientAuthentication.none
    var tlsMinVersion = TLSSettings.Version.tls12
    var unixSocket: String?
    var unixSocketMode: UInt32?
    var unixSocketOwner: UnixSocketOwner?
    var loops: Int?
    var upstreams: [UpstreamURL] = []
    var upstreamsFile: UpstreamsFile?
    var upstreamKeys: [String] = []
    var wording = ConversationWording()
    var unknownTools = UnknownTools.ignore
    var modelMappings: [SettingValue.Mapping] = []
    var principals: [AccessSettings.Principal] = []
    var requireKey = false
    var keyLimits = RateLimits()
    var cutForm = CutForm.native
    var failedAttemptsPerMinute = defaults.access.failedAttemptsPerMinute
    var idempotencyRetention = defaults.idempotencyRetention
    var jwtKeys: String?
    var jwtIssuer: String?
    var jwtAudience: String?
    var jwtOwnerClaim = "sub"
    var jwtScopeClaim = "scope"
    var jwtSecret: String?
    var insecureNoAuth = false
    var allowedOrigins: [String] = []
    var headerTimeout = defaults.httpDeadlines.head
    var bodyTimeout = defaults.httpDeadlines.body
    var idleTimeout = defaults.httpDeadlines.idle
    var stallTimeout = defaults.httpDeadlines.stall
    var maxHeaderBytes = defaults.httpLimits.maxHeaderBytes
    var maxBodyBytes = defaults.httpLimits.maxBodyBytes
    var trustedProxies: [SettingValue.TrustedProxy] = []
    var proxyProtocol = false
    var heartbeat = defaults.heartbeat
    var runnerModel = defaults.runnerModel ?? "none"
    var runnerWait = defaults.runnerWait
    var runnerLease = defaults.runnerLease
    /// nil for ``DataDirectory/standard(_:)``.
    var dataDirectory: String?
    var durability = defaults.durability
    var retention = defaults.retention
    var maxDataBytes = defaults.maxDataBytes
    var maxLogMemoryBytes = defaults.maxLogMemoryBytes
    var maxLogBytesPerSession = defaults.sessionLimits.maxLogBytes
    var maxMessageBytes = defaults.maxMessageBytes
    var firstByteTimeout = UpstreamConfiguration(baseURL: "").silenceTimeout
    var rehearsalPort: UInt16 = 0
    var maxConnections: Int?
    var acceptLimits = defaults.acceptLimits
    var memoryBudgetBytes = defaults.memoryBudgetBytes
    var liveness = defaults.webSocketLiveness
    var deflate = Switch.on
    var deflateOptions = DeflateOptions()
    var drain = defaults.drainTimeout
    var drainDelay = defaults.drainDelay
    var drainWindow = defaults.drainWindow
    var operatorKey: String?
    var fileLimits = defaults.fileLimits
    var batchLimits = defaults.batchLimits
    var webhooks: [WebhookSetting] = []
    var webhookSecrets: [String] = []
    var webhooksAllowPrivate = false
    var webhookRetryBase = defaults.webhooks.retryBase
    var logLevel = Logger.Level.notice
    var logFormat = LogFormat.text
    var accessLog = false
    var readyFile: String?
    var configFile: String?

    /// The --host for listening on the Unix socket only.
    static let noHost = "none"

    var isLoopback: Bool {
        host == Self.noHost || host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }

    /// Addresses to listen on.
    var addresses: [SocketAddress] {
        var addresses: [SocketAddress] = []
        if host != Self.noHost, let port { addresses.append(.tcp(host: host, port: port)) }
        if let unixSocket { addresses.append(.unix(path: unixSocket)) }
        return addresses
    }

    /// Addresses to listen on with TLS.
    var tlsAddresses: [SocketAddress] {
        guard host != Self.noHost, let tlsPort else { return [] }
        return [.tcp(host: host, port: tlsPort)]
    }

    /// Certificates and their keys, in the order given.
    var tlsCertificateFiles: [TLSCertificateFiles] {
        zip(tlsCertificates, tlsKeys).map { TLSCertificateFiles(certificate: $0, key: $1) }
    }

    /// The TLS settings; nil without TLS.
    private func tls() throws(Failure) -> TLSSettings? {
        if tlsCertificates.count != tlsKeys.count {
            throw .usage(
                """
                --tls-certificate and --tls-key come in pairs: there are \(tlsCertificates.count) certificates and \
                \(tlsKeys.count) keys
                """)
        }
        guard tlsPort != nil else {
            if tlsCertificates.isEmpty { return nil }
            throw .usage("--tls-certificate: --tls-port is missing: give the port for TLS")
        }
        if host == Self.noHost { throw .usage("--tls-port needs an address to listen on, but --host is none") }
        if tlsCertificates.isEmpty {
            throw .usage("--tls-port: the certificate is missing: give --tls-certificate FILE and --tls-key FILE")
        }
        if tlsClientAuthentication != .none, tlsClientAuthorities == nil {
            throw .usage(
                "--tls-client-auth \(tlsClientAuthentication.rawValue): --tls-client-ca FILE is missing: give the authorities of accepted certificates"
            )
        }
        if tlsClientAuthentication == .none, tlsClientAuthorities != nil {
            throw .usage("--tls-client-ca: clients are not asked for a certificate: give --tls-client-auth request or require too")
        }
        var settings = TLSSettings(certificates: tlsCertificateFiles)
        settings.clientAuthentication = tlsClientAuthentication
        settings.clientAuthorities = tlsClientAuthorities
        settings.minVersion = tlsMinVersion
        return settings
    }

    /// Validates the settings as a whole, and converts them to the server's configuration.
    func serverConfiguration() throws(Failure) -> ServerConfiguration {
        let tls = try tls()
        let jwt = try jwt()
        if addresses.isEmpty, tlsAddresses.isEmpty, port == nil {
            throw .usage("--port none leaves nothing to listen on: give --tls-port PORT or --unix-socket PATH too")
        }
        if addresses.isEmpty, tlsAddresses.isEmpty {
            throw .usage("--host none leaves nothing to listen on: give --unix-socket PATH too")
        }
        if !isLoopback, principals.isEmpty, !requireKey, jwt == nil, !insecureNoAuth, !hasStoredKeys {
            throw .usage(
                """
                --host \(host) lets other machines in, and no key is set: give --api-key NAME=SECRET, \
                --require-key for keys that `interject keys` makes, or --insecure-no-auth if everybody may use it
                """
            )
        }
        if proxyProtocol, trustedProxies.isEmpty {
            throw .usage(
                "--proxy-protocol needs a trusted proxy: give the proxy's address as --trusted-proxy, such as 10.0.0.5 or unix")
        }
        if upstreamKeys.count > 1, upstreamKeys.count != upstreams.count {
            throw .usage(
                """
                --upstream-key: \(upstreamKeys.count) keys for \(upstreams.count) upstreams: give one for each --upstream, \
                in their order, or one for all
                """
            )
        }
        if upstreams.isEmpty, !upstreamKeys.isEmpty {
            throw .usage("--upstream-key: there is no --upstream to use it for")
        }
        var configuration = ServerConfiguration()
        configuration.addresses = addresses
        if unixSocket == nil, unixSocketMode != nil || unixSocketOwner != nil {
            throw .usage("--unix-socket-mode and --unix-socket-owner need a --unix-socket: give its PATH too")
        }
        configuration.unixSocketAccess = UnixSocketAccess(
            mode: unixSocketMode, userID: unixSocketOwner?.userID, groupID: unixSocketOwner?.groupID)
        configuration.tlsAddresses = tlsAddresses
        configuration.tls = tls
        configuration.loops = loops
        configuration.upstreams = try upstreamConfigurations()
        configuration.wording = wording
        configuration.rejectsUnknownTools = unknownTools == .reject
        if let upstreamsFile { configuration.routing = upstreamsFile.routing }
        configuration.rehearsalAddress = .tcp(host: "127.0.0.1", port: rehearsalPort)
        configuration.rehearsalSilenceTimeout = firstByteTimeout
        if requireKey, principals.isEmpty, DataDirectory.resolve(dataDirectory) == nil {
            throw .usage("--require-key with --data none refuses every client: give a DIR, where `interject keys` creates keys")
        }
        configuration.access.principals = principals
        configuration.access.requiresKey = requireKey || !principals.isEmpty || jwt != nil
        configuration.access.jwt = jwt
        configuration.access.keyLimits = keyLimits
        configuration.access.cutForm = cutForm
        configuration.idempotencyRetention = idempotencyRetention
        configuration.access.failedAttemptsPerMinute = failedAttemptsPerMinute
        configuration.allowedOrigins = allowedOrigins.isEmpty ? nil : allowedOrigins
        configuration.httpDeadlines.head = headerTimeout
        configuration.httpDeadlines.body = bodyTimeout
        configuration.httpDeadlines.idle = idleTimeout
        configuration.httpDeadlines.stall = stallTimeout
        configuration.httpLimits.maxHeaderBytes = maxHeaderBytes
        configuration.httpLimits.maxBodyBytes = maxBodyBytes
        configuration.proxies.trusted = SettingValue.TrustedProxy.joined(trustedProxies)
        configuration.proxies.requiresProxyHeader = proxyProtocol
        configuration.keepsAccessLog = accessLog
        configuration.heartbeat = heartbeat
        configuration.runnerModel = runnerModel == "none" ? nil : runnerModel
        configuration.runnerWait = runnerWait
        configuration.runnerLease = runnerLease
        configuration.dataDirectory = DataDirectory.resolve(dataDirectory)
        configuration.durability = durability
        configuration.retention = retention
        configuration.maxDataBytes = maxDataBytes
        configuration.maxLogMemoryBytes = maxLogMemoryBytes
        configuration.sessionLimits.maxLogBytes = maxLogBytesPerSession
        configuration.maxMessageBytes = maxMessageBytes
        configuration.acceptLimits = acceptLimits
        configuration.acceptLimits.total = maxConnections ?? 0
        configuration.memoryBudgetBytes = memoryBudgetBytes
        configuration.webSocketLiveness = liveness
        configuration.webSocketLiveness.stall = stallTimeout
        configuration.deflate = deflate == .on ? deflateOptions : nil
        configuration.drainTimeout = drain
        configuration.drainDelay = drainDelay
        configuration.drainWindow = drainWindow
        if let twice = keyOfTwoNames {
            throw .usage(
                "--api-key: \(twice.0) and \(twice.1) have the same secret: give each its own")
        }
        if let operatorKey, principals.contains(where: { $0.key == operatorKey }) {
            throw .usage("--operator-key is the secret of an --api-key: give the operator a key of its own")
        }
        configuration.access.operatorKey = operatorKey
        configuration.fileLimits = fileLimits
        configuration.batchLimits = batchLimits
        configuration.webhooks = try webhookSettings()
        return configuration
    }
}
