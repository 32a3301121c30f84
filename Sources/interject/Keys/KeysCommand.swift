import ArgumentParser
import Storage

/// `interject keys`
struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Creates and manages the API keys of a data directory.",
        discussion: """
            Works beside a running server on the same directory, which applies changes within a second. The secret is shown once; \
            only its SHA-256 digest is stored.
            """,
        subcommands: [KeysCreateCommand.self, KeysListCommand.self, KeysRevokeCommand.self, KeysRotateCommand.self])
}

/// The directory of the keys, and the form of the output.
struct KeysOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The data directory of the server. (default that of serve, INTERJECT_DATA)", valueName: "DIR"))
    var data: String?
    @Flag(help: "Prints JSON, one object per line.") var json = false

    /// Opens the keys of the directory.
    /// - Parameter makesMissing: whether to create a missing database. A command that only reads keys treats a missing one as a
    ///   mistake.
    func open(makesMissing: Bool) throws(Failure) -> APIKeyFile {
        let named = data ?? Environment.process["INTERJECT_DATA"].flatMap { $0.isEmpty ? nil : $0 }
        guard let directory = DataDirectory.resolve(named) else {
            throw .usage("--data none has no keys: give the data directory of the server")
        }
        do { return try APIKeyFile(directory: directory, makesMissing: makesMissing) } catch { throw .runtime("\(error)") }
    }

    /// Finds the key with this identifier, or with this name if only one valid key has it.
    static func find(_ word: String, in file: APIKeyFile) throws(Failure) -> APIKeyRecord {
        let keys = try all(file)
        if let key = keys.first(where: { $0.id == word }) { return key }
        let named = keys.filter { $0.name == word && $0.revokedAt == nil }
        if let key = named.first, named.count == 1 { return key }
        if named.isEmpty { throw .runtime("there is no key \(word): `interject keys list` lists all of them") }
        throw .runtime("\(named.count) keys are named \(word): give one's identifier, listed by `interject keys list`")
    }

    static func all(_ file: APIKeyFile) throws(Failure) -> [APIKeyRecord] {
        try attempt { () throws(StorageError) in try file.all() }
    }

    static func attempt<Result>(_ body: () throws(StorageError) -> Result) throws(Failure) -> Result {
        do { return try body() } catch { throw .runtime("\(error)") }
    }
}
