import Access
import ArgumentParser
import Glibc
import Logging
import Network
import Server
import Storage
import Synchronization

/// `interject serve`
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Runs the server.",
        discussion: """
            Every setting can be given as a flag, as an environment variable (shown in parentheses; \
            several values separated by commas), or in a YAML file (--config). Flags override the environment, \
            which overrides the file.
            """)

    @OptionGroup var flags: SettingFlags

    func run() async throws {
        let settings = try flags.resolve()
        Notices.isJSON.withLock { $0 = settings.logFormat == .json }
        let configuration = try settings.serverConfiguration()
        DescriptorLimit.raise()
        let logger = StandardErrorLog.logger(settings)
        let needsKey = configuration.access.requiresKey || settings.hasStoredKeys
        if !settings.isLoopback, !needsKey {
            let addresses = (settings.addresses + settings.tlsAddresses).map { "\($0)" }.joined(separator: " and ")
            logger.warning("no key is set: anyone who can reach \(addresses) can use the server and its upstreams")
        }
        let probe = StartProbe(configuration.upstreams)
        let server: Server
        do {
            server = try await Server.start(configuration, logger: logger)
        } catch {
            throw Self.explain(error, settings)
        }
        // Before announcing that the server is listening: a signal sent in response must drain it, too.
        Signals.expect()
        if server.tls != nil {
            Signals.onHangup { server.reloadCertificates() }
        } else if !Signals.hasTerminal {
            // Sent by a service manager to reload files. A closing terminal sends it as well, and ends its programs.
            Signals.onHangup { logger.notice("SIGHUP: there are no certificates to reload") }
        }
        let message = StartMessage(
            settings: settings, addresses: server.addresses, tlsAddresses: server.tlsAddresses,
            program: CommandLine.arguments.first ?? "interject", needsKey: needsKey, model: probe.firstModel)
        let isJSON = settings.logFormat == .json
        if isJSON { logger.log(level: .notice, "listening", metadata: message.metadata) } else { Standard.output(message.text) }
        if let path = settings.readyFile {
            let ready = ReadyFile(
                url: message.url, tlsURL: message.tlsURL, rehearsalURL: server.rehearsalBaseURL.map(ReadyFile.root(of:)),
                unixSocket: settings.unixSocket)
            do {
                try ready.write(to: path)
            } catch {
                await server.shutDown()
                throw error
            }
        }
        Task {
            for warning in await probe.warnings() {
                if isJSON { logger.warning("\(warning)") } else { Standard.output("  warn     \(warning)\n") }
            }
        }
        if settings.allUpstreams.isEmpty {
            Task {
                for found in await LocalUpstreams.find(besides: server.addresses + server.tlsAddresses) {
                    let text = LocalUpstreams.describe(found, program: message.program)
                    if isJSON { logger.notice("\(text)") } else { Standard.output("  found    \(text)\n") }
                }
            }
        }
        let signal = await Signals.first()
        logger.info("stopping", metadata: ["signal": .stringConvertible(signal), "drain": "\(settings.drain)"])
        await server.shutDown()
        LogOutput.standardError.finish(within: 500)
    }

    private static func explain(_ error: any Error, _ settings: ServeSettings) -> Failure {
        let addresses = (settings.addresses + settings.tlsAddresses).map { "\($0)" }.joined(separator: " or ")
        if let error = error as? StorageError { return .runtime("\(error)") }
        if let error = error as? TLSFileError { return .usage("TLS: \(error)") }
        guard let error = error as? SystemCallError else { return .runtime("cannot start: \(error)") }
        switch error.code {
        case EADDRINUSE:
            return .runtime("\(addresses) is in use: stop the program that listens there, or give another --port (0: any free one)")
        case EACCES:
            return .runtime("\(addresses): permission denied: use a port above 1023, or a directory that you can write to")
        case EADDRNOTAVAIL:
            return .runtime("\(addresses): this machine has no such address: give one that it has as --host, or 0.0.0.0")
        default:
            return .runtime("cannot listen on \(addresses): \(error)")
        }
    }
}
