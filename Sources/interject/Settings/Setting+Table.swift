import Access
import Jobs
import Logging
import Network
import Server
import Sessions
import Storage
import Upstreams
import WebSocket

/// The table of all settings. Flags, environment variables, keys of the file and help texts are generated from it.
extension Setting {
    static let all: [Setting] = [
        host, port, unixSocket, unixSocketMode, unixSocketOwner, tlsPort, tlsCertificate, tlsKey, tlsClientCA, tlsClientAuth,
        tlsMinVersion, loops,
        upstream,
        upstreamsFile, upstreamKey, mapModel, interruptionNote, namePrefix, unknownTools, firstByteTimeout, rehearsalPort, apiKey,
        requireKey, insecureNoAuth,
        requestsPerMinute, tokensPerMinute, maxConcurrent, cutAs, failedKeyLimit, idempotencyRetention, jwtKeys, jwtIssuer,
        jwtAudience, jwtOwnerClaim, jwtScopeClaim, jwtSecret, allowOrigin, headerTimeout, bodyTimeout, idleTimeout, stallTimeout,
        maxHeaderBytes,
        maxBodyBytes, trustedProxy,
        proxyProtocol, heartbeat, runnerModel, runnerWait, runnerLease, data, durability, retention, maxDataBytes, logMemory,
        logBytesPerSession, maxMessageBytes, deflate, deflateWindowBits, deflateMemoryLevel, deflateMinBytes, maxConnections,
        maxConnectionsPerAddress, connectionRate, limitLoopback, memoryBudget, pingInterval, idleLimit, lifetimeLimit, drain,
        drainDelay, drainWindow, operatorKey, maxFileBytes, maxFileBytesPerOwner, batchConcurrency, batchConcurrencyEach,
        batchAttempts, maxBatchRequests, webhook, webhookSecret, webhooksAllowPrivate,
        webhookRetryBase, logLevel, logFormat, accessLog, readyFile, config,
    ]

    static let host = Setting(
        "host", "HOST", \.host, SettingValue.text, describe: { $0 },
        "Address or name to listen on; 0.0.0.0 for all networks, none for only the Unix socket.")
    static let port = Setting(
        "port", "PORT", \.port, SettingValue.portOrNone, describe: { $0.map { String($0) } },
        "TCP port; 0 for any free one, none to disable plain TCP.")
    static let unixSocket = Setting(
        "unix-socket", "PATH", \.unixSocket, SettingValue.text, "Also listens on this Unix socket.")

    static let unixSocketMode = Setting(
        "unix-socket-mode", "MODE", \.unixSocketMode, SettingValue.mode,
        "Permissions of the Unix socket, in octal, such as 660; by default given by the umask.")
    static let unixSocketOwner = Setting(
        "unix-socket-owner", "USER:GROUP", \.unixSocketOwner, SettingValue.owner,
        "Owner and group of the Unix socket, by name or number; either may be omitted, as in :www-data.")
    static let tlsPort = Setting(
        "tls-port", "PORT", \.tlsPort, SettingValue.port,
        "Also listens with TLS (https, wss) on this TCP port; 0 for any free one.")
    static let tlsCertificate = Setting(
        list: "tls-certificate", "FILE", \.tlsCertificates, SettingValue.text,
        """
        Certificate chain in PEM format. Of several, each client gets the first that matches the name it requests (SNI), else the \
        first. SIGHUP reloads the files.
        """)
    static let tlsKey = Setting(
        list: "tls-key", "FILE", \.tlsKeys, SettingValue.text,
        "Private key in PEM format, in the order of --tls-certificate.")
    static let tlsClientCA = Setting(
        "tls-client-ca", "FILE", \.tlsClientAuthorities, SettingValue.text,
        "Authorities of accepted client certificates, in PEM format.")
    static let tlsClientAuth = Setting(
        "tls-client-auth", "MODE", \.tlsClientAuthentication, SettingValue.choice, describe: { $0.rawValue },
        "Client certificates: none, request (optional) or require.")
    static let tlsMinVersion = Setting(
        "tls-min-version", "VERSION", \.tlsMinVersion, SettingValue.choice, describe: { $0.rawValue },
        "Lowest TLS version: 1.2 or 1.3.")
    static let loops = Setting(
        "loops", "N", \.loops, SettingValue.count(1...1024), "Number of event loops; by default one per processor.")

    static let upstream = Setting(
        list: "upstream", "URL", \.upstreams, UpstreamURL.readWithMembers,
        """
        Base URL of a model server that speaks OpenAI's chat/completions, such as http://127.0.0.1:11434/v1; with \
        the prefix anthropic+ (or the host api.anthropic.com), one that speaks Anthropic's messages. \
        Of several, the first is used, and the next ones if it fails or is busy; weights, limits and more follow the URL, as in \
        "http://a/v1 weight=3 models=llama*|qwen* max_concurrent_requests=8"; prefill=auto|continue_final_message|trailing|prompt \
        sets how an interrupted answer is continued there. Without an upstream, the built-in rehearsal model answers.
        """)
    static let upstreamsFile = Setting(
        "upstreams", "FILE", \.upstreamsFile, UpstreamsFile.read,
        "JSON file with all upstreams and how to distribute requests (Protocols/upstreams.md), instead of --upstream.")
    static let upstreamKey = Setting(
        list: "upstream-key", "KEY", \.upstreamKeys, SettingValue.secret,
        "Key for the upstream, in the order of --upstream, or one for all; env:NAME and file:PATH read it from there.")
    static let mapModel = Setting(
        list: "map-model", "PUBLIC=UPSTREAM", \.modelMappings, SettingValue.mapping,
        "Offers an upstream's model under another name.")
    static let interruptionNote = Setting(
        "interruption-note", "TEXT", \.wording.interruptionNote, SettingValue.wording, describe: { $0 },
        """
        First line of the next message after an interrupted answer, to inform the model; {name} is replaced by the participant that \
        interrupted. Empty: none.
        """
    ).takingEmpty()
    static let namePrefix = Setting(
        "name-prefix", "TEXT", \.wording.namePrefix, SettingValue.wording, describe: { $0.isEmpty ? nil : $0 },
        "Prefix with the speaker's name, where the upstream's protocol has no names of messages or refuses this one. Empty: none."
    ).takingEmpty()
    static let unknownTools = Setting(
        "unknown-tools", "WHAT", \.unknownTools, SettingValue.choice, describe: { $0.rawValue },
        "Tools of Responses requests that no upstream supports, such as web_search: ignore (listed in interject.ignored_tools) or reject."
    )
    static let firstByteTimeout = Setting(
        "first-byte-timeout", "SECONDS", \.firstByteTimeout, SettingValue.seconds(0.1...86_400), describe: seconds,
        "Longest wait for the first byte of an upstream's answer.")
    static let rehearsalPort = Setting(
        "rehearsal-port", "PORT", \.rehearsalPort, SettingValue.port, describe: { String($0) },
        "Loopback port of the rehearsal model; 0 for any free one.")

    static let apiKey = Setting(
        list: "api-key", "NAME=SECRET", \.principals, SettingValue.principal,
        "Requires a key. Sessions created with this one belong to NAME (\"default\" for a secret alone).")
    static let requireKey = Setting(
        "require-key", nil, \.requireKey, SettingValue.bool, describe: { _ in nil },
        "Requires a key even before `interject keys` has created the first one in --data.")
    static let requestsPerMinute = Setting(
        "requests-per-minute", "N", \.keyLimits.requestsPerMinute, SettingValue.count(1...1_000_000_000),
        "Generations per minute and key, for keys without their own limit; default: unlimited.")
    static let tokensPerMinute = Setting(
        "tokens-per-minute", "N", \.keyLimits.tokensPerMinute, SettingValue.count(1...1_000_000_000_000),
        "Tokens of prompts and answers per minute and key, for keys without their own limit; default: unlimited.")
    static let maxConcurrent = Setting(
        "max-concurrent", "N", \.keyLimits.maxConcurrent, SettingValue.count(1...10_000_000),
        "Running and waiting generations per key, for keys without their own limit; default: unlimited.")
    static let cutAs = Setting(
        "cut-as", "FORM", \.cutForm, SettingValue.choice, describe: { $0.rawValue },
        """
        How an interrupted answer is reported, unless set by the request (Interject-Cut-As) or the key: native, completed, \
        incomplete or failed (Protocols/clients.md).
        """)
    static let failedKeyLimit = Setting(
        "failed-key-limit", "N", \.failedAttemptsPerMinute, SettingValue.count(0...1_000_000), describe: { String($0) },
        "Wrong keys per minute and address, also as a burst; 0: unlimited. See also --limit-loopback.")
    static let jwtKeys = Setting(
        "jwt-jwks", "FILE|URL", \.jwtKeys, SettingValue.text,
        "Accepts JSON Web Tokens signed with a key of this JWK set: a file, or a URL (https, or http on this machine).")
    static let jwtIssuer = Setting("jwt-issuer", "TEXT", \.jwtIssuer, SettingValue.text, "Required `iss` of JSON Web Tokens.")
    static let jwtAudience = Setting(
        "jwt-audience", "TEXT", \.jwtAudience, SettingValue.text, "Required `aud` of JSON Web Tokens, or one of its values.")
    static let jwtOwnerClaim = Setting(
        "jwt-owner-claim", "NAME", \.jwtOwnerClaim, SettingValue.text, describe: { $0 },
        "The claim that names the owner of a JSON Web Token.")
    static let jwtScopeClaim = Setting(
        "jwt-scope-claim", "NAME", \.jwtScopeClaim, SettingValue.text, describe: { $0 },
        "The claim with the scopes of a JSON Web Token; without it, a token has the scope all.")
    static let jwtSecret = Setting(
        "jwt-secret", "SECRET", \.jwtSecret, SettingValue.secret,
        "Accepts JSON Web Tokens signed with this secret by HS256, which is otherwise refused.")
    static let idempotencyRetention = Setting(
        "idempotency-retention", "SECONDS", \.idempotencyRetention, SettingValue.seconds(1...31_536_000), describe: seconds,
        "How long an Idempotency-Key is retained.")
    static let insecureNoAuth = Setting(
        "insecure-no-auth", nil, \.insecureNoAuth, SettingValue.bool, describe: { _ in nil },
        "Allows other machines to connect without keys.")
    static let allowOrigin = Setting(
        list: "allow-origin", "ORIGIN", \.allowedOrigins, SettingValue.origin,
        "Origins that may call, such as https://example.com (*: any). Default: any if keys are required, else those of this machine."
    )

    static let headerTimeout = Setting(
        "header-timeout", "SECONDS", \.headerTimeout, SettingValue.seconds(0.05...3600), describe: seconds,
        "Deadline of a request's head, from its first byte; also of the first byte of a new connection.")
    static let bodyTimeout = Setting(
        "body-timeout", "SECONDS", \.bodyTimeout, SettingValue.seconds(0.05...86_400), describe: seconds,
        "Deadline of a request's body, from the end of its head.")
    static let idleTimeout = Setting(
        "idle-timeout", "SECONDS", \.idleTimeout, SettingValue.seconds(0.05...86_400), describe: seconds,
        "How long a connection may be idle between two requests.")
    static let stallTimeout = Setting(
        "stall-timeout", "SECONDS", \.stallTimeout, SettingValue.seconds(0.05...86_400), describe: seconds,
        "How long a client may read nothing of its pending output (answer, stream or WebSocket) before it is disconnected.")
    static let maxHeaderBytes = Setting(
        "max-header-bytes", "BYTES", \.maxHeaderBytes, SettingValue.bytes(1 << 10...1 << 20),
        describe: SettingValue.describe(bytes:), "Largest header section of a request.")
    static let maxBodyBytes = Setting(
        "max-body-bytes", "BYTES", \.maxBodyBytes, SettingValue.bytes(1 << 10...1 << 34), describe: SettingValue.describe(bytes:),
        "Largest body of a request.")
    static let trustedProxy = Setting(
        list: "trusted-proxy", "CIDR", \.trustedProxies, SettingValue.trustedProxy,
        """
        Accepts client addresses forwarded by this proxy (Forwarded, X-Forwarded-For, X-Forwarded-Proto): an address, a range \
        such as 10.0.0.0/8, or unix for peers of the Unix socket.
        """)
    static let proxyProtocol = Setting(
        "proxy-protocol", nil, \.proxyProtocol, SettingValue.bool, describe: { _ in nil },
        "Accepts only connections of trusted proxies that begin with a PROXY header (version 1 or 2).")

    static let heartbeat = Setting(
        "heartbeat", "SECONDS", \.heartbeat, SettingValue.seconds(0.05...3600), describe: seconds,
        "Time without an event on a stream after which a heartbeat is sent.")
    static let data = Setting(
        "data", "DIR", \.dataDirectory, SettingValue.text,
        """
        Directory for sessions, logs, responses, API keys and usage; none: only in memory, until the process ends. \
        Default: $STATE_DIRECTORY, $XDG_DATA_HOME/interject or ~/.local/share/interject.
        """)
    static let runnerModel = Setting(
        "runner-model", "NAME", \.runnerModel, SettingValue.text, describe: { $0 },
        """
        The model answered by external runners, together with all names that begin with it and a / (Protocols/runner.md); \
        none: disabled.
        """)
    static let runnerWait = Setting(
        "runner-wait", "SECONDS", \.runnerWait, SettingValue.seconds(0.1...86_400), describe: seconds,
        "How long a response waits for a runner.")
    static let runnerLease = Setting(
        "runner-lease", "SECONDS", \.runnerLease, SettingValue.seconds(0.1...86_400), describe: seconds,
        "How long a runner may post nothing; then its response fails, or goes to another runner if it has no output yet.")
    static let durability = Setting(
        "durability", "full|process", \.durability, SettingValue.choice, describe: { $0.rawValue },
        """
        full: everything acknowledged survives a power loss. process: it survives a crash of the process at any moment, and commits \
        do not wait for the disk.
        """)
    static let retention = Setting(
        "retention", "TIME", \.retention, SettingValue.time(0...31_536_000), describe: seconds,
        "How long a session is stored after its last input or response: seconds, or 7d, 168h, 30m (the default is 7d).")
    static let maxDataBytes = Setting(
        "max-data-bytes", "BYTES", \.maxDataBytes, SettingValue.bytes(1 << 20...1 << 46), describe: SettingValue.describe(bytes:),
        "Size of the database above which the least recently used sessions are deleted.")
    static let logMemory = Setting(
        "log-memory", "BYTES", \.maxLogMemoryBytes, SettingValue.bytes(1 << 20...1 << 42), describe: SettingValue.describe(bytes:),
        "Memory for the logs of all sessions; beyond it, the oldest idle ones are unloaded.")
    static let logBytesPerSession = Setting(
        "log-bytes-per-session", "BYTES", \.maxLogBytesPerSession, SettingValue.bytes(1 << 10...1 << 40),
        describe: SettingValue.describe(bytes:), "Memory for the log of one session; beyond it, the oldest events are dropped.")
    static let maxMessageBytes = Setting(
        "max-message-bytes", "BYTES", \.maxMessageBytes, SettingValue.bytes(1 << 10...1 << 30),
        describe: SettingValue.describe(bytes:), "Largest WebSocket message accepted from a client.")
    static let deflate = Setting(
        "deflate", "on|off", \.deflate, SettingValue.choice, describe: { $0.rawValue },
        "Compresses WebSocket messages for clients that offer permessage-deflate.")
    static let deflateWindowBits = Setting(
        "deflate-window-bits", "N", \.deflateOptions.windowBits, SettingValue.count(DeflateOptions.windowBitsRange),
        describe: { String($0) },
        "Compression window of 2^N bytes; Protocols/websocket.md has a table of costs and savings.")
    static let deflateMemoryLevel = Setting(
        "deflate-memory-level", "N", \.deflateOptions.memoryLevel, SettingValue.count(DeflateOptions.memoryLevelRange),
        describe: { String($0) }, "Memory of a compressor in addition to its window: 2^(N+9) bytes, 1 to 9.")
    static let deflateMinBytes = Setting(
        "deflate-min-bytes", "BYTES", \.deflateOptions.minMessageBytes, SettingValue.bytes(0...1 << 30),
        describe: SettingValue.describe(bytes:), "Shorter WebSocket messages are sent uncompressed.")
    static let drain = Setting(
        "drain", "SECONDS", \.drain, SettingValue.seconds(0...3600), describe: seconds,
        "How long running answers may continue during shutdown.")

    static let drainDelay = Setting(
        "drain-delay", "SECONDS", \.drainDelay, SettingValue.seconds(0...3600), describe: seconds,
        "How long /readyz answers 503 at shutdown before new connections are refused.")
    static let drainWindow = Setting(
        "drain-window", "SECONDS", \.drainWindow, SettingValue.seconds(0...3600), describe: seconds,
        "Period over which clients are disconnected at shutdown, so that they do not all reconnect at once.")

    static let maxConnections = Setting(
        "max-connections", "N", \.maxConnections, SettingValue.count(1...10_000_000),
        "Open client connections; also limited to four fifths of the process's file descriptors, including those of upstreams."
    )
    static let maxConnectionsPerAddress = Setting(
        "max-connections-per-address", "N", \.acceptLimits.perAddress, SettingValue.count(0...10_000_000),
        describe: { String($0) }, "Open connections per address (per /64 in IPv6); 0: unlimited.")
    static let connectionRate = Setting(
        "connection-rate", "N", \.acceptLimits.ratePerAddress, SettingValue.count(0...1_000_000),
        describe: { String($0) }, "New connections per second and address, with bursts of twice as many; 0: unlimited.")
    static let limitLoopback = Setting(
        "limit-loopback", nil, \.acceptLimits.includesLoopback, SettingValue.bool, describe: { _ in nil },
        "Also applies limits per address to this machine's own addresses.")
    static let memoryBudget = Setting(
        "memory-budget", "BYTES", \.memoryBudgetBytes, SettingValue.bytes(1 << 20...1 << 42),
        describe: SettingValue.describe(bytes:),
        "Memory for logs, partial input and output buffered for clients, together; beyond it, new work is refused with 503.")
    static let pingInterval = Setting(
        "ping-interval", "SECONDS", \.liveness.pingInterval, SettingValue.seconds(0.05...3600), describe: seconds,
        "Interval of WebSocket pings; after two silent intervals a connection is closed.")
    static let idleLimit = Setting(
        "idle-limit", "SECONDS", \.liveness.idleLimit, SettingValue.seconds(0.1...31_536_000),
        "Closes WebSockets without a message for this long; default: never.")
    static let lifetimeLimit = Setting(
        "lifetime-limit", "SECONDS", \.liveness.lifetime, SettingValue.seconds(0.1...31_536_000),
        "Closes WebSockets of this age, a tenth later if an answer runs; default: never.")
    static let operatorKey = Setting(
        "operator-key", "KEY", \.operatorKey, SettingValue.secret,
        "Key for /metrics and /debug/*, and nothing else. Without it, they are open only if no client key is required.")

    static let maxFileBytes = Setting(
        "max-file-bytes", "BYTES", \.fileLimits.maxFileBytes, SettingValue.bytes(1 << 10...1 << 40),
        describe: SettingValue.describe(bytes:), "Largest file that can be uploaded.")
    static let maxFileBytesPerOwner = Setting(
        "max-file-bytes-per-owner", "BYTES", \.fileLimits.maxBytesPerOwner, SettingValue.bytes(1 << 10...1 << 50),
        describe: SettingValue.describe(bytes:), "Total size of one owner's files; beyond it, uploads are refused.")
    static let batchConcurrency = Setting(
        "batch-concurrency", "N", \.batchLimits.concurrency, SettingValue.count(1...10_000), describe: { String($0) },
        "Batch requests that run at a time; each running interactive answer takes one of these slots, down to one."
    )
    static let batchConcurrencyEach = Setting(
        "batch-concurrency-each", "N", \.batchLimits.concurrencyPerBatch, SettingValue.count(1...10_000),
        describe: { String($0) }, "Requests of one batch that run at a time.")
    static let batchAttempts = Setting(
        "batch-attempts", "N", \.batchLimits.maxAttempts, SettingValue.count(1...1000), describe: { String($0) },
        "Attempts of a batch request whose upstream fails. Rate limits and unreachable upstreams are retried until the batch ends."
    )
    static let maxBatchRequests = Setting(
        "max-batch-requests", "N", \.batchLimits.maxLines, SettingValue.count(1...1_000_000), describe: { String($0) },
        "Requests in one batch.")

    static let webhook = Setting(
        list: "webhook", "URL", \.webhooks, WebhookSetting.read,
        """
        URL to notify, for all owners, when batches and background responses end; with the prefix all+, for every response. \
        Requires --webhook-secret.
        """)
    static let webhookSecret = Setting(
        list: "webhook-secret", "SECRET", \.webhookSecrets, SettingValue.secret,
        """
        Signing secret of --webhook, in the same order, or one for all: whsec_ and base64, or any text of at least 16 bytes; \
        env:NAME and file:PATH read it from there.
        """)
    static let webhooksAllowPrivate = Setting(
        "webhooks-allow-private", nil, \.webhooksAllowPrivate, SettingValue.bool, describe: { _ in nil },
        "Allows webhooks to this machine and its networks, to any port, and through a proxy.")
    static let webhookRetryBase = Setting(
        "webhook-retry-base", "SECONDS", \.webhookRetryBase, SettingValue.seconds(0.001...60), describe: seconds,
        "Delay before the first retry of a webhook; later ones grow in proportion, by default to a day in total.")

    static let logLevel = Setting(
        "log-level", "LEVEL", \.logLevel, SettingValue.choice, describe: { $0.rawValue },
        "trace, debug, info, notice, warning, error or critical.")
    static let logFormat = Setting(
        "log-format", "FORMAT", \.logFormat, SettingValue.choice, describe: { $0.rawValue },
        "text or json, on stderr; with json, the start message is a record there, too.")
    static let accessLog = Setting(
        "access-log", nil, \.accessLog, SettingValue.bool, describe: { _ in nil },
        "Logs each request at info regardless of --log-level: client, key, status, time, model and tokens.")
    static let readyFile = Setting(
        "ready-file", "PATH", \.readyFile, SettingValue.text,
        "Writes url, tls_url, rehearsal_url, pid and unix_socket to this file as JSON once the server is listening.")
    static let config = Setting(
        "config", "FILE", \.configFile, SettingValue.text,
        "Reads settings from a YAML file; its keys are the flags without the leading dashes.")

    private static func seconds(_ duration: Duration) -> String { SettingValue.decimal(duration.seconds) }
}
