import Logging
import Network
import WebSocket

/// The table of all settings. Flags, variables, file keys and the help text are made from it.
extension Setting {
    static let all: [Setting] = [
        host, port, unixSocket, tlsPort, tlsCertificate, tlsKey, tlsClientCA, tlsClientAuth, tlsMinVersion, loops, upstream,
        upstreamKey, mapModel, firstByteTimeout, rehearsalPort, apiKey, insecureNoAuth, allowOrigin, headerTimeout, bodyTimeout,
        idleTimeout, maxHeaderBytes, maxBodyBytes, trustedProxy, proxyProtocol, heartbeat, retention, logMemory,
        logBytesPerSession, maxMessageBytes, deflate, deflateWindowBits, deflateMemoryLevel, deflateMinBytes, maxConnections,
        maxConnectionsPerAddress, connectionRate, limitLoopback, memoryBudget, pingInterval, idleLimit, lifetimeLimit, drain,
        drainDelay, drainWindow, operatorKey, data, webhook, webhookSecret, webhooksAllowPrivate, webhookRetryBase, logLevel,
        logFormat, readyFile, config,
    ]

    static let host = Setting(
        "host", "HOST", \.host, SettingValue.text, describe: { $0 },
        "Address or name to listen on; 0.0.0.0 for every network, none for the Unix socket alone.")
    static let port = Setting(
        "port", "PORT", \.port, SettingValue.portOrNone, describe: { $0.map { String($0) } },
        "TCP port; 0 takes any that is free, none leaves plain TCP out.")
    static let unixSocket = Setting(
        "unix-socket", "PATH", \.unixSocket, SettingValue.text, "Listens on this Unix socket too.")

    static let tlsPort = Setting(
        "tls-port", "PORT", \.tlsPort, SettingValue.port,
        "Listens with TLS (https, wss) on this TCP port too; 0 takes any that is free.")
    static let tlsCertificate = Setting(
        list: "tls-certificate", "FILE", \.tlsCertificates, SettingValue.text,
        """
        Certificate chain in PEM form. With several, each client gets the first that is for the name it asks for, else the first. \
        SIGHUP reads the files again.
        """)
    static let tlsKey = Setting(
        list: "tls-key", "FILE", \.tlsKeys, SettingValue.text,
        "Private key in PEM form, in the order of --tls-certificate.")
    static let tlsClientCA = Setting(
        "tls-client-ca", "FILE", \.tlsClientAuthorities, SettingValue.text,
        "Authorities, in PEM form, whose client certificates are accepted.")
    static let tlsClientAuth = Setting(
        "tls-client-auth", "MODE", \.tlsClientAuthentication, SettingValue.choice, describe: { $0.rawValue },
        "Client certificates: none, request (a client may show one) or require.")
    static let tlsMinVersion = Setting(
        "tls-min-version", "VERSION", \.tlsMinVersion, SettingValue.choice, describe: { $0.rawValue }, "1.2 or 1.3.")

    static let loops = Setting(
        "loops", "N", \.loops, SettingValue.count(1...1024), "Event loops; as many as there are processors if not set.")

    static let upstream = Setting(
        list: "upstream", "URL", \.upstreams, UpstreamURL.read,
        """
        Base URL of a model server that speaks OpenAI's chat/completions, such as http://127.0.0.1:11434/v1; with \
        anthropic+ in front of it (or the host api.anthropic.com), one that speaks Anthropic's messages. \
        The first that has a model answers for it. Without any, the built-in rehearsal model answers.
        """)
    static let upstreamKey = Setting(
        list: "upstream-key", "KEY", \.upstreamKeys, SettingValue.secret,
        "Key for the upstream, in the order of --upstream, or one for all; env:NAME and file:PATH say where it stands.")
    static let mapModel = Setting(
        list: "map-model", "PUBLIC=UPSTREAM", \.modelMappings, SettingValue.mapping,
        "Offers the upstream's model under another name.")
    static let firstByteTimeout = Setting(
        "first-byte-timeout", "SECONDS", \.firstByteTimeout, SettingValue.seconds(0.1...86_400), describe: seconds,
        "Gives an upstream up that sends nothing for so long.")
    static let rehearsalPort = Setting(
        "rehearsal-port", "PORT", \.rehearsalPort, SettingValue.port, describe: { String($0) },
        "Loopback port of the rehearsal model; 0 takes any that is free.")

    static let apiKey = Setting(
        list: "api-key", "NAME=SECRET", \.principals, SettingValue.principal,
        "Lets in only who has a key. The sessions made with it belong to NAME (\"default\" for a secret alone).")
    static let insecureNoAuth = Setting(
        "insecure-no-auth", nil, \.insecureNoAuth, SettingValue.bool, describe: { _ in nil },
        "Starts without keys although other machines can connect.")
    static let allowOrigin = Setting(
        list: "allow-origin", "ORIGIN", \.allowedOrigins, SettingValue.origin,
        "Web pages that may call, such as https://example.com (*: any). Not set: any if keys are needed, else those of this machine."
    )

    static let headerTimeout = Setting(
        "header-timeout", "SECONDS", \.headerTimeout, SettingValue.seconds(0.05...3600), describe: seconds,
        "How long the head of a request may take, from its first byte; also the first byte of a new connection.")
    static let bodyTimeout = Setting(
        "body-timeout", "SECONDS", \.bodyTimeout, SettingValue.seconds(0.05...86_400), describe: seconds,
        "How long the body of a request may take, from the end of its head.")
    static let idleTimeout = Setting(
        "idle-timeout", "SECONDS", \.idleTimeout, SettingValue.seconds(0.05...86_400), describe: seconds,
        "How long a connection may be silent between two requests.")
    static let maxHeaderBytes = Setting(
        "max-header-bytes", "BYTES", \.maxHeaderBytes, SettingValue.bytes(1 << 10...1 << 20),
        describe: SettingValue.describe(bytes:), "Largest header section of a request.")
    static let maxBodyBytes = Setting(
        "max-body-bytes", "BYTES", \.maxBodyBytes, SettingValue.bytes(1 << 10...1 << 34), describe: SettingValue.describe(bytes:),
        "Largest body of a request.")
    static let trustedProxy = Setting(
        list: "trusted-proxy", "CIDR", \.trustedProxies, SettingValue.trustedProxy,
        """
        Believes what this proxy says about its clients (Forwarded, X-Forwarded-For, X-Forwarded-Proto): an address or a range \
        such as 10.0.0.0/8, or unix for whoever connects by the Unix socket.
        """)
    static let proxyProtocol = Setting(
        "proxy-protocol", nil, \.proxyProtocol, SettingValue.bool, describe: { _ in nil },
        "Takes only connections of trusted proxies that begin with a PROXY header (version 1 or 2).")

    static let heartbeat = Setting(
        "heartbeat", "SECONDS", \.heartbeat, SettingValue.seconds(0.05...3600), describe: seconds,
        "Silence on a stream after which a heartbeat is sent.")
    static let retention = Setting(
        "retention", "SECONDS", \.retention, SettingValue.seconds(0...31_536_000), describe: seconds,
        "How long a session is kept that nobody uses.")
    static let logMemory = Setting(
        "log-memory", "BYTES", \.maxLogMemoryBytes, SettingValue.bytes(1 << 20...1 << 42), describe: SettingValue.describe(bytes:),
        "Memory for the logs of all sessions; beyond it the oldest idle ones go.")
    static let logBytesPerSession = Setting(
        "log-bytes-per-session", "BYTES", \.maxLogBytesPerSession, SettingValue.bytes(1 << 10...1 << 40),
        describe: SettingValue.describe(bytes:), "Memory for the log of one session; beyond it the oldest events go.")
    static let maxMessageBytes = Setting(
        "max-message-bytes", "BYTES", \.maxMessageBytes, SettingValue.bytes(1 << 10...1 << 30),
        describe: SettingValue.describe(bytes:), "Largest WebSocket message taken from a client.")
    static let deflate = Setting(
        "deflate", "on|off", \.deflate, SettingValue.choice, describe: { $0.rawValue },
        "Compresses WebSocket messages for clients that offer permessage-deflate.")
    static let deflateWindowBits = Setting(
        "deflate-window-bits", "N", \.deflateOptions.windowBits, SettingValue.count(DeflateOptions.windowBitsRange),
        describe: { String($0) },
        "Compression looks back 2^N bytes; the table in Protocols/websocket.md says what it costs and saves.")
    static let deflateMemoryLevel = Setting(
        "deflate-memory-level", "N", \.deflateOptions.memoryLevel, SettingValue.count(DeflateOptions.memoryLevelRange),
        describe: { String($0) }, "Memory of a compressor besides its window: 2^(N+9) bytes, 1 to 9.")
    static let deflateMinBytes = Setting(
        "deflate-min-bytes", "BYTES", \.deflateOptions.minMessageBytes, SettingValue.bytes(0...1 << 30),
        describe: SettingValue.describe(bytes:), "Shorter WebSocket messages are sent uncompressed.")
    static let drain = Setting(
        "drain", "SECONDS", \.drain, SettingValue.seconds(0...3600), describe: seconds,
        "How long running answers may go on after the server was asked to stop.")

    static let drainDelay = Setting(
        "drain-delay", "SECONDS", \.drainDelay, SettingValue.seconds(0...3600), describe: seconds,
        "How long /readyz says 503 before the server, asked to stop, takes no more connections.")
    static let drainWindow = Setting(
        "drain-window", "SECONDS", \.drainWindow, SettingValue.seconds(0...3600), describe: seconds,
        "Over how long clients are sent away, so that they do not all come back at once.")

    static let maxConnections = Setting(
        "max-connections", "N", \.maxConnections, SettingValue.count(1...10_000_000),
        "Connections open at a time; four fifths of the files that the process may open if not set.")
    static let maxConnectionsPerAddress = Setting(
        "max-connections-per-address", "N", \.acceptLimits.perAddress, SettingValue.count(0...10_000_000),
        describe: { String($0) }, "Connections of one address open at a time (of one /64 in IPv6); 0: no limit.")
    static let connectionRate = Setting(
        "connection-rate", "N", \.acceptLimits.ratePerAddress, SettingValue.count(0...1_000_000),
        describe: { String($0) }, "New connections of one address in a second, twice as many at once; 0: no limit.")
    static let limitLoopback = Setting(
        "limit-loopback", nil, \.acceptLimits.includesLoopback, SettingValue.bool, describe: { _ in nil },
        "Holds this machine's own addresses to the limits per address, too.")
    static let memoryBudget = Setting(
        "memory-budget", "BYTES", \.memoryBudgetBytes, SettingValue.bytes(1 << 20...1 << 42),
        describe: SettingValue.describe(bytes:),
        "Memory for logs and for output that waits for clients, together; beyond it new work is refused with 503.")
    static let pingInterval = Setting(
        "ping-interval", "SECONDS", \.liveness.pingInterval, SettingValue.seconds(0.05...3600), describe: seconds,
        "How often WebSockets are looked after; silent for two of them they are dropped.")
    static let idleLimit = Setting(
        "idle-limit", "SECONDS", \.liveness.idleLimit, SettingValue.seconds(0.1...31_536_000),
        "Closes WebSockets without a message for so long; not set: never.")
    static let lifetimeLimit = Setting(
        "lifetime-limit", "SECONDS", \.liveness.lifetime, SettingValue.seconds(0.1...31_536_000),
        "Closes WebSockets of this age, a tenth later if an answer runs; not set: never.")
    static let operatorKey = Setting(
        "operator-key", "KEY", \.operatorKey, SettingValue.secret,
        "Opens /metrics and /debug/connections, and nothing else. Without it they are open only where no key is needed at all.")

    static let data = Setting(
        "data", "DIR", \.dataDirectory, SettingValue.text,
        "Keeps the data in this directory, so that it outlives the process; not set: in memory alone.")

    static let webhook = Setting(
        list: "webhook", "URL", \.webhooks, WebhookSetting.read,
        """
        Tells this URL, for all owners, when batches and background responses end; with all+ in front of it, of every response. \
        Needs --webhook-secret.
        """)
    static let webhookSecret = Setting(
        list: "webhook-secret", "SECRET", \.webhookSecrets, SettingValue.secret,
        """
        Signs what --webhook is sent, in their order, or one for all: whsec_ and base64, or any text of at least 16 bytes; \
        env:NAME and file:PATH say where it stands.
        """)
    static let webhooksAllowPrivate = Setting(
        "webhooks-allow-private", nil, \.webhooksAllowPrivate, SettingValue.bool, describe: { _ in nil },
        "Lets webhooks go to this machine and its networks, to any port, and through a proxy.")
    static let webhookRetryBase = Setting(
        "webhook-retry-base", "SECONDS", \.webhookRetryBase, SettingValue.seconds(0.001...60), describe: seconds,
        "The first wait before a webhook is sent again; the further ones grow from it, by default to a day in all.")

    static let logLevel = Setting(
        "log-level", "LEVEL", \.logLevel, SettingValue.choice, describe: { $0.rawValue },
        "trace, debug, info, notice, warning, error or critical.")
    static let logFormat = Setting(
        "log-format", "FORMAT", \.logFormat, SettingValue.choice, describe: { $0.rawValue }, "text or json, on stderr.")
    static let readyFile = Setting(
        "ready-file", "PATH", \.readyFile, SettingValue.text,
        "Writes url, tls_url, rehearsal_url, pid and unix_socket to this file as JSON once the server listens.")
    static let config = Setting(
        "config", "FILE", \.configFile, SettingValue.text,
        "Reads settings from a YAML file whose keys are these names without the dashes in front.")

    private static func seconds(_ duration: Duration) -> String { SettingValue.decimal(duration.seconds) }
}
