import ArgumentParser

/// The program, with its commands.
struct Interject: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interject",
        abstract: "A server for live conversations with language models: interrupt at any moment, and the model really stops.",
        discussion: "Start with `interject serve`, then `interject chat` in another terminal.",
        version: interjectVersion,
        subcommands: [
            ServeCommand.self, KeysCommand.self, ExportCommand.self, PurgeCommand.self, ChatCommand.self, DoctorCommand.self,
            RehearsalCommand.self, EchoCommand.self,
            EchoClientCommand.self, VersionCommand.self,
        ])

    /// Parses and runs a command.
    /// - Returns: the exit status: 0, 1 for a failure, 2 for invalid usage.
    static func run(_ arguments: [String]) async -> Int32 {
        do {
            var command = try parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return 0
        } catch let failure as Failure {
            Notices.failure(failure.message)
            return failure.exitStatus
        } catch let status as ExitCode {
            return status.rawValue
        } catch {
            if exitCode(for: error).isSuccess {
                Standard.output(fullMessage(for: error) + "\n")
                return 0
            }
            let lines = message(for: error).split(whereSeparator: \.isNewline)
            Notices.failure("\(lines.joined(separator: " ")) (see \(help(for: error)))")
            return 2
        }
    }

    /// The command that shows the help for the failed one, which only the full message identifies.
    private static func help(for error: any Error) -> String {
        let words = fullMessage(for: error).split(separator: "'")
        return words.first { $0.hasPrefix("interject") && $0.hasSuffix("--help") }.map(String.init) ?? "interject --help"
    }
}

/// `interject version`
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Prints the version.")

    func run() { Standard.output("interject \(interjectVersion)\n") }
}
