import Jobs
import Logging
import Network
import Server
import Storage
import Upstreams
import WebSocket

/// The table of all settings. Flags, variables, file keys and the help text are made from it.
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
        "Address or name to listen on; 0.0.0.0 for every network, none for the Unix socket alone.")
    static let port = Setting(
        "port", "PORT", \.port, SettingValue.portOrNone, describe: { $0.map { String($0) } },
        "TCP port; 0 takes any that is free, none leaves plain TCP out.")
    static let unixSocket = Setting(
        "unix-socket", "PATH", \.unixSocket, SettingValue.text, "Listens on this Unix socket too.")

    static let unixSocketMode = Setting(
        "unix-socket-mode", "MODE", \.unixSocketMode, SettingValue.mode,
        "Permissions of the Unix socket, in octal digits such as 660; what the umask leaves if not set.")
    static let unixSocketOwner = Setting(
        "unix-socket-owner", "USER:GROUP", \.unixSocketOwner, SettingValue.owner,
        "Owner and group of the Unix socket, by name or number; one of the two may be left out, as in :www-data.")
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
        list: "upstream", "URL", \.upstreams, UpstreamURL.readWithMembers,
        """
        Base URL of a model server that speaks OpenAI's chat/completions, such as http://127.0.0.1:11434/v1; with \
        anthropic+ in front of it (or the host api.anthropic.com), one that speaks Anthropic's messages. \
        Of several the first is asked, the next when it fails or is busy; weights, limits and more stand behind the URL, as in \
        "http://a/v1 weight=3 models=llama*|qwen* max_concurrent_requests=8"; prefill=auto|continue_final_message|trailing|prompt \
        says how an answer that was cut goes on there. Without any, the built-in rehearsal model answers.
        """)
    static let upstreamsFile = Setting(
        "upstreams", "FILE", \.upstreamsFile, UpstreamsFile.read,
        "JSON file of all upstreams and how requests are spread over them (Protocols/upstreams.md), in place of --upstream.")
    static let upstreamKey = Setting(
        list: "upstream-key", "KEY", \.upstreamKeys, SettingValue.secret,
        "Key for the upstream, in the order of --upstream, or one for all; env:NAME and file:PATH say where it stands.")
    static let mapModel = Setting(
        list: "map-model", "PUBLIC=UPSTREAM", \.modelMappings, SettingValue.mapping,
        "Offers the upstream's model under another name.")
    static let interruptionNote = Setting(
        "interruption-note", "TEXT", \.wording.interruptionNote, SettingValue.wording, describe: { $0 },
        """
        First line of the next message when somebody cut the answer before it, for the model; {name} stands for who cut it. \
        Empty: none.
        """
    ).takingEmpty()
    static let namePrefix = Setting(
        "name-prefix", "TEXT", \.wording.namePrefix, SettingValue.wording, describe: { $0.isEmpty ? nil : $0 },
        "Tells the model who speaks, where its protocol has no name of a message or does not take this one. Empty: nothing does."
    ).takingEmpty()
    static let unknownTools = Setting(
        "unknown-tools", "WHAT", \.unknownTools, SettingValue.choice, describe: { $0.rawValue },
        "Tools of a Responses request that no upstream has, such as web_search: ignore (interject.ignored_tools names them) or reject."
    )
    static let firstByteTimeout = Setting(
        "first-byte-timeout", "SECONDS", \.firstByteTimeout, SettingValue.seconds(0.1...86_400), describe: seconds,
        "Gives an upstream up that sends nothing for so long.")
    static let rehearsalPort = Setting(
        "rehearsal-port", "PORT", \.rehearsalPort, SettingValue.port, describe: { String($0) },
        "Loopback port of the rehearsal model; 0 takes any that is free.")

    static let apiKey = Setting(
        list: "api-key", "NAME=SECRET", \.principals, SettingValue.principal,
        "Lets in only who has a key. The sessions made with it belong to NAME (\"default\" for a secret alone).")
    static let requireKey = Setting(
        "require-key", nil, \.requireKey, SettingValue.bool, describe: { _ in nil },
        "Lets in only who has a key, also while there is none yet: those that `interject keys` makes in --data.")
    static let requestsPerMinute = Setting(
        "requests-per-minute", "N", \.keyLimits.requestsPerMinute, SettingValue.count(1...1_000_000_000),
        "Generations that each key may begin in a minute, if it has no limit of its own; not set: any number.")
    static let tokensPerMinute = Setting(
        "tokens-per-minute", "N", \.keyLimits.tokensPerMinute, SettingValue.count(1...1_000_000_000_000),
        "Tokens, of prompts and answers, that each key may use in a minute, if it has no limit of its own; not set: any number.")
    static let maxConcurrent = Setting(
        "max-concurrent", "N", \.keyLimits.maxConcurrent, SettingValue.count(1...10_000_000),
        "Generations of each key that may run or wait at a time, if it has no limit of its own; not set: any number.")
    static let cutAs = Setting(
        "cut-as", "FORM", \.cutForm, SettingValue.choice, describe: { $0.rawValue },
        """
        How clients are told that an answer was cut, if neither their request (Interject-Cut-As) nor their key says it: native, \
        completed, incomplete or failed (Protocols/clients.md).
        """)
    static let failedKeyLimit = Setting(
        "failed-key-limit", "N", \.failedAttemptsPerMinute, SettingValue.count(0...1_000_000), describe: { String($0) },
        "Wrong keys of one address in a minute, and as many at once; 0: no limit. See also --limit-loopback.")
    static let jwtKeys = Setting(
        "jwt-jwks", "FILE|URL", \.jwtKeys, SettingValue.text,
        "Lets in by JSON Web Tokens that are signed with a key of this JWK set: a file, or a URL (https, or http of this machine).")
    static let jwtIssuer = Setting("jwt-issuer", "TEXT", \.jwtIssuer, SettingValue.text, "What `iss` of a JSON Web Token must be.")
    static let jwtAudience = Setting(
        "jwt-audience", "TEXT", \.jwtAudience, SettingValue.text, "What `aud` of a JSON Web Token must be or hold.")
    static let jwtOwnerClaim = Setting(
        "jwt-owner-claim", "NAME", \.jwtOwnerClaim, SettingValue.text, describe: { $0 },
        "The claim that tells for whom a JSON Web Token stands.")
    static let jwtScopeClaim = Setting(
        "jwt-scope-claim", "NAME", \.jwtScopeClaim, SettingValue.text, describe: { $0 },
        "The claim that tells the scopes of a JSON Web Token; one without it may do everything but administer.")
    static let jwtSecret = Setting(
        "jwt-secret", "SECRET", \.jwtSecret, SettingValue.secret,
        "Lets in by JSON Web Tokens that are signed with this secret by HS256, which no other setting permits.")
    static let idempotencyRetention = Setting(
        "idempotency-retention", "SECONDS", \.idempotencyRetention, SettingValue.seconds(1...31_536_000), describe: seconds,
        "How long an Idempotency-Key is remembered.")
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
    static let stallTimeout = Setting(
        "stall-timeout", "SECONDS", \.stallTimeout, SettingValue.seconds(0.05...86_400), describe: seconds,
        "How long a client may take nothing of an answer, stream or WebSocket while output waits for it; then it is cut off.")
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
    static let data = Setting(
        "data", "DIR", \.dataDirectory, SettingValue.text,
        """
        Directory in which sessions, logs, responses, API keys and usage are kept; none: in memory alone, until the process ends. \
        Not set: $STATE_DIRECTORY, $XDG_DATA_HOME/interject or ~/.local/share/interject.
        """)
    static let runnerModel = Setting(
        "runner-model", "NAME", \.runnerModel, SettingValue.text, describe: { $0 },
        """
        The model, with all whose names begin with it and a /, that external runners answer for (Protocols/runner.md); none: there \
        is none.
        """)
    static let runnerWait = Setting(
        "runner-wait", "SECONDS", \.runnerWait, SettingValue.seconds(0.1...86_400), describe: seconds,
        "How long a response waits for a runner to take it.")
    static let runnerLease = Setting(
        "runner-lease", "SECONDS", \.runnerLease, SettingValue.seconds(0.1...86_400), describe: seconds,
        "How long a runner may say nothing; then its response fails, or goes to another runner if nothing was said of it.")
    static let durability = Setting(
        "durability", "full|process", \.durability, SettingValue.choice, describe: { $0.rawValue },
        """
        What outlives what: with full, everything that was acknowledged outlives a loss of power; with process, the death of the \
        process at any moment, and commits do not wait for the disk.
        """)
    static let retention = Setting(
        "retention", "TIME", \.retention, SettingValue.time(0...31_536_000), describe: seconds,
        "How long a session is kept after its last input or response: seconds, or 7d, 168h, 30m (the default is 7d).")
    static let maxDataBytes = Setting(
        "max-data-bytes", "BYTES", \.maxDataBytes, SettingValue.bytes(1 << 20...1 << 46), describe: SettingValue.describe(bytes:),
        "Size of the database above which the sessions that were not used for longest are deleted.")
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
        "Connections of clients open at a time. In any case they end at four fifths of the files that the process may open, upstreams' included."
    )
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

    static let maxFileBytes = Setting(
        "max-file-bytes", "BYTES", \.fileLimits.maxFileBytes, SettingValue.bytes(1 << 10...1 << 40),
        describe: SettingValue.describe(bytes:), "Largest file that can be uploaded.")
    static let maxFileBytesPerOwner = Setting(
        "max-file-bytes-per-owner", "BYTES", \.fileLimits.maxBytesPerOwner, SettingValue.bytes(1 << 10...1 << 50),
        describe: SettingValue.describe(bytes:), "Largest size of all files of one owner together; beyond it uploads are refused.")
    static let batchConcurrency = Setting(
        "batch-concurrency", "N", \.batchLimits.concurrency, SettingValue.count(1...10_000), describe: { String($0) },
        "Requests of batches that run at a time; each answer that somebody waits for takes one of these places, to the last but one."
    )
    static let batchConcurrencyEach = Setting(
        "batch-concurrency-each", "N", \.batchLimits.concurrencyPerBatch, SettingValue.count(1...10_000),
        describe: { String($0) }, "Requests of one batch that run at a time.")
    static let batchAttempts = Setting(
        "batch-attempts", "N", \.batchLimits.maxAttempts, SettingValue.count(1...1000), describe: { String($0) },
        "How often a request of a batch is tried whose upstream fails. One that asks to slow down or is not there is tried to the end."
    )
    static let maxBatchRequests = Setting(
        "max-batch-requests", "N", \.batchLimits.maxLines, SettingValue.count(1...1_000_000), describe: { String($0) },
        "Requests in one batch.")

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
        "log-format", "FORMAT", \.logFormat, SettingValue.choice, describe: { $0.rawValue },
        "text or json, on stderr; with json the start message is a record there, too.")
    static let accessLog = Setting(
        "access-log", nil, \.accessLog, SettingValue.bool, describe: { _ in nil },
        "Logs a line for each request at info, whatever --log-level says: client, key, status, time, model and tokens.")
    static let readyFile = Setting(
        "ready-file", "PATH", \.readyFile, SettingValue.text,
        "Writes url, tls_url, rehearsal_url, pid and unix_socket to this file as JSON once the server listens.")
    static let config = Setting(
        "config", "FILE", \.configFile, SettingValue.text,
        "Reads settings from a YAML file whose keys are these names without the dashes in front.")

    private static func seconds(_ duration: Duration) -> String { SettingValue.decimal(duration.seconds) }
}
