import Access
import ArgumentParser
import Bytes
import Glibc
import JSON
import Server
import Sessions
import Storage

/// `interject keys create`
struct KeysCreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Creates a key and shows its secret, which cannot be shown again.")

    @OptionGroup var options: KeysOptions
    @Argument(help: "Name of the key.") var name: String
    @Option(
        help: ArgumentHelp("Owner: keys of one owner see the same sessions. (default: the name)", valueName: "OWNER"))
    var owner: String?
    @Option(
        help: ArgumentHelp(
            "Scopes, separated by commas: \(Scopes.names.joined(separator: ", ")). (default all, which is everything except admin and runner:all)",
            valueName: "SCOPES"))
    var scopes: String?
    @Option(help: ArgumentHelp("Expires after this time: seconds, or 90d, 12h, 30m.", valueName: "TIME")) var expiresIn: String?
    @Option(help: ArgumentHelp("Generations per minute. (default: the server's)", valueName: "N"))
    var requestsPerMinute: Int?
    @Option(help: ArgumentHelp("Tokens per minute. (default: the server's)", valueName: "N")) var tokensPerMinute: Int?
    @Option(help: ArgumentHelp("Running and waiting generations. (default: the server's)", valueName: "N"))
    var maxConcurrent: Int?
    @Option(
        help: ArgumentHelp(
            "How an interrupted answer is reported: \(CutForm.allCases.map(\.rawValue).joined(separator: ", ")). (default: the server's)",
            valueName: "FORM"))
    var cutAs: String?

    func run() throws {
        guard let scopes = Scopes(text: scopes ?? "all"), !scopes.isEmpty else {
            throw Failure.usage(
                "--scopes: \"\(self.scopes ?? "")\" is not a list of scopes: \(Scopes.names.joined(separator: ", "))")
        }
        for (what, text) in [("the name", name), ("--owner", owner ?? name)] where !(1...256).contains(text.utf8.count) {
            throw Failure.usage("\(what) must have 1 to 256 bytes")
        }
        // The name becomes the owner unless one is given.
        if owner == nil, ReservedNames.contains(name) {
            throw Failure.usage("\(name) is reserved: \(ReservedNames.text): give another name, or --owner")
        }
        // A key may explicitly share an owner with an issuer's tokens.
        if let owner, ReservedNames.contains(owner), !owner.hasPrefix(ReservedNames.tokenOwnerPrefix) {
            throw Failure.usage("--owner: \(owner) is reserved: \(ReservedNames.text)")
        }
        for (flag, value) in [
            ("requests-per-minute", requestsPerMinute), ("tokens-per-minute", tokensPerMinute), ("max-concurrent", maxConcurrent),
        ] {
            if let value, value < 1 { throw Failure.usage("--\(flag): \(value) is not a positive number") }
        }
        let cutForm = try cutAs.map { (text) throws(Failure) -> CutForm in
            do { return try SettingValue.choice(text) } catch { throw .usage("--cut-as: \(error)") }
        }
        let file = try options.open(makesMissing: true)
        let isFirst = try KeysOptions.all(file).isEmpty
        let secret = APIKeySecret()
        let now = Int(time(nil))
        var key = APIKeyRecord(
            id: Identifier.make("key_"), hash: secret.hash, hint: secret.hint, name: name, owner: owner ?? name,
            scopes: scopes.text,
            createdAt: now)
        key.expiresAt = try expiresIn.map { (text) throws(Failure) in now + (try KeyTime.seconds(text, flag: "expires-in")) }
        key.requestsPerMinute = requestsPerMinute
        key.tokensPerMinute = tokensPerMinute
        key.maxConcurrent = maxConcurrent
        key.cutAs = cutForm?.rawValue
        try KeysOptions.attempt { () throws(StorageError) in try file.insert(key) }
        if options.json {
            Standard.output("\(KeyText.json(key, secret: secret.text))\n")
            return
        }
        Standard.output("\(secret.text)\n")
        Standard.error("\(key.id) belongs to \(key.owner) and has the scopes \(key.scopes). The secret will not be shown again.\n")
        if isFirst { Standard.error("This is the first key of this directory: from now on, the server requires one.\n") }
    }
}

/// `interject keys rotate`
struct KeysRotateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Gives a key a new secret; its identifier, owner, scopes and limits are unchanged.")

    @OptionGroup var options: KeysOptions
    @Argument(help: "Its identifier, or its name.") var key: String
    @Option(
        help: ArgumentHelp(
            "How long the old secret remains valid: seconds, or 1d, 12h, 30m.", valueName: "TIME"))
    var grace: String = "0"

    func run() throws {
        let seconds = try KeyTime.seconds(grace, flag: "grace")
        let file = try options.open(makesMissing: false)
        var record = try KeysOptions.find(key, in: file)
        if record.revokedAt != nil {
            throw Failure.runtime("\(record.id) is revoked: create another one with `interject keys create`")
        }
        let secret = APIKeySecret()
        let until = seconds == 0 ? nil : time(nil).saturatingAdding(seconds)
        let id = record.id
        try KeysOptions.attempt { () throws(StorageError) in
            try file.rotate(id, hash: secret.hash, hint: secret.hint, previousUntil: until)
        }
        record.hint = secret.hint
        Standard.output(options.json ? "\(KeyText.json(record, secret: secret.text))\n" : "\(secret.text)\n")
        if !options.json { Standard.error("\(id) has a new secret, which will not be shown again.\n") }
    }
}
