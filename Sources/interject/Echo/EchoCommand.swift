import ArgumentParser
import HTTP
import Network
import WebSocket

/// `interject echo`
struct EchoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Runs a WebSocket echo server, for conformance tests and benchmarks.",
        discussion: "Accepts every path, without keys. Consists of the layers of `serve` up to WebSocket.")

    /// Larger than the default of `serve`, since conformance tests send 16 MiB at once.
    static let defaultMaxMessageBytes = "64MiB"

    @Option(help: ArgumentHelp("Address to listen on. (default 127.0.0.1)", valueName: "HOST")) var host: String?
    @Option(help: ArgumentHelp("TCP port; 0 for any free one. (default 9001)", valueName: "PORT")) var port: String?
    @Option(help: ArgumentHelp("Number of event loops; by default one per processor.", valueName: "N")) var loops: String?
    @Option(help: ArgumentHelp("Writes url and pid to this file as JSON once it is listening.", valueName: "PATH"))
    var readyFile: String?
    @Option(help: ArgumentHelp("Enables TLS with this certificate, in PEM format; requires --tls-key.", valueName: "FILE"))
    var tlsCertificate: String?
    @Option(help: ArgumentHelp("Its private key, in PEM format.", valueName: "FILE")) var tlsKey: String?
    @Flag(help: "Sends each message, uncompressed, to all other clients instead of back.") var fanOut = false
    @Option(help: ArgumentHelp("Compresses for clients that offer it. (default on)", valueName: "on|off")) var deflate: String?
    @Option(help: ArgumentHelp("As for serve. (default 11)", valueName: "N")) var deflateWindowBits: String?
    @Option(help: ArgumentHelp("As for serve. (default 2)", valueName: "N")) var deflateMemoryLevel: String?
    @Option(help: ArgumentHelp("As for serve. (default 64)", valueName: "BYTES")) var deflateMinBytes: String?
    @Option(help: ArgumentHelp("Largest accepted message. (default \(Self.defaultMaxMessageBytes))", valueName: "BYTES"))
    var maxMessageBytes: String?
    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error or critical. (default notice)", valueName: "LEVEL"))
    var logLevel: String?

    func run() async throws {
        let given: [(String, String?)] = [
            ("host", host), ("port", port ?? "9001"), ("loops", loops), ("ready-file", readyFile), ("deflate", deflate),
            ("deflate-window-bits", deflateWindowBits), ("deflate-memory-level", deflateMemoryLevel),
            ("deflate-min-bytes", deflateMinBytes), ("max-message-bytes", maxMessageBytes ?? Self.defaultMaxMessageBytes),
            ("log-level", logLevel), ("tls-certificate", tlsCertificate), ("tls-key", tlsKey),
        ]
        // number-safe: each name stands once in the list
        let flags = Dictionary(uniqueKeysWithValues: given.compactMap { name, value in value.map { (name, [$0]) } })
        let settings = try SettingSources(flags: flags, environment: Environment([:]), readFile: Files.read).resolve()
        let tls = try tls(settings)
        DescriptorLimit.raise()
        let group: EventLoopGroup
        let listener: ListenerSet
        do {
            group = try EventLoopGroup(count: settings.loops, logger: StandardErrorLog.logger(settings))
            let handler = EchoHandler(
                // With context takeover, every recipient would need its own frame.
                deflate: settings.deflate == .on && !fanOut ? settings.deflateOptions : nil,
                limits: WebSocketLimits(maxMessageBytes: settings.maxMessageBytes),
                fanOut: fanOut ? FanOut(loops: group.loops) : nil)
            listener = try await HTTPServer(handler: handler)
                .listen(on: .tcp(host: settings.host, port: settings.port ?? 0), tls: tls, group: group)
        } catch {
            throw Failure.runtime("cannot listen on \(settings.host):\(settings.port ?? 0): \(error)")
        }
        let url = ServerURL(listener: listener.address, isSecure: tls != nil).text
        Standard.output("Echo listens on \(url)\n")
        if let readyFile = settings.readyFile { try ReadyFile(url: url).write(to: readyFile) }
        _ = await Signals.first()
        listener.stop()
        group.shutDown()
    }
    private func tls(_ settings: ServeSettings) throws(Failure) -> TLSServerContext? {
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw .usage("--tls-certificate and --tls-key come in pairs: one of them is missing")
        }
        if settings.tlsCertificateFiles.isEmpty { return nil }
        do throws(TLSFileError) {
            let tls = TLSSettings(certificates: settings.tlsCertificateFiles)
            return try TLSServerContext(tls)
        } catch {
            throw .runtime("\(error)")
        }
    }
}
