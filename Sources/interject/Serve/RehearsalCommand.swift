import ArgumentParser
import Logging
import Network
import Upstreams

/// `interject rehearsal`
struct RehearsalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearsal", abstract: "Runs only the rehearsal model: an upstream for tests, not an AI.",
        discussion: "It speaks OpenAI's chat/completions and Anthropic's messages; see Protocols/rehearsal.md.")

    @Option(help: ArgumentHelp("Address to listen on. (default 127.0.0.1)", valueName: "HOST")) var host: String?
    @Option(help: ArgumentHelp("TCP port; 0 for any free one. (default 9090)", valueName: "PORT")) var port: String?
    @Option(help: ArgumentHelp("Writes url and pid to this file as JSON once it is listening.", valueName: "PATH"))
    var readyFile: String?
    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error or critical. (default notice)", valueName: "LEVEL"))
    var logLevel: String?

    func run() async throws {
        var flags = ["port": [port ?? "9090"]]
        for (name, value) in [("host", host), ("ready-file", readyFile), ("log-level", logLevel)] {
            if let value { flags[name] = [value] }
        }
        let settings = try SettingSources(flags: flags, environment: Environment([:]), readFile: Files.read).resolve()
        guard let port = settings.port else { throw Failure.usage("--port: \"none\" leaves nothing to listen on") }
        DescriptorLimit.raise()
        let rehearsal: Rehearsal
        do {
            rehearsal = try await Rehearsal.start(
                address: .tcp(host: settings.host, port: port), logger: StandardErrorLog.logger(settings))
        } catch {
            throw Failure.runtime("cannot listen on \(settings.host):\(port): \(error)")
        }
        let url = ReadyFile.root(of: rehearsal.baseURL)
        Standard.output(
            """
            The rehearsal model (no AI) listens on \(url)

              serve it  \(CommandLine.arguments.first ?? "interject") serve --upstream \(rehearsal.baseURL)
              counters  curl \(url)/stats

            """)
        if let readyFile = settings.readyFile { try ReadyFile(url: url).write(to: readyFile) }
        _ = await Signals.first()
        rehearsal.stop()
    }
}
