import ArgumentParser
import Glibc
import JSON
import Storage

/// `interject keys list`
struct KeysListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Shows the keys, without their secrets.")

    @OptionGroup var options: KeysOptions

    func run() throws {
        let keys = try KeysOptions.all(try options.open(makesMissing: false))
        if options.json {
            for key in keys { Standard.output("\(KeyText.json(key))\n") }
            return
        }
        if keys.isEmpty {
            Standard.error("There is no key yet: `interject keys create NAME` creates one.\n")
            return
        }
        for key in keys { Standard.output(KeyText.line(key, now: Int(time(nil))) + "\n") }
    }
}

/// `interject keys revoke`
struct KeysRevokeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revokes a key for good, and the tokens created with it.")

    @OptionGroup var options: KeysOptions
    @Argument(help: "Its identifier, or its name.") var key: String

    func run() throws {
        let file = try options.open(makesMissing: false)
        let id = try KeysOptions.find(key, in: file).id
        try KeysOptions.attempt { () throws(StorageError) in try file.revoke(id, at: Int(time(nil))) }
        Standard.output("\(id) is revoked\n")
    }
}

/// Output of keys, for people and programs.
enum KeyText {
    static func line(_ key: APIKeyRecord, now: Int) -> String {
        let state =
            key.revokedAt.map { "revoked \(day($0))" } ?? key.expiresAt.map {
                $0 <= now ? "expired \(day($0))" : "until \(day($0))"
            }
            ?? "valid"
        let limits = [("rpm", key.requestsPerMinute), ("tpm", key.tokensPerMinute), ("concurrent", key.maxConcurrent)]
            .compactMap { name, value in value.map { "\(name)=\($0)" } }
        let columns = [
            key.id, key.hint + "…", key.name, "owner=\(key.owner)", state, "used \(key.lastUsedAt.map(day) ?? "never")",
            "[\(key.scopes)]",
        ]
        let cutForm = key.cutAs.map { ["cut-as=\($0)"] } ?? []
        return (columns + limits + cutForm).joined(separator: "  ")
    }

    static func json(_ key: APIKeyRecord, secret: String? = nil) -> JSONValue {
        func number(_ value: Int?) -> JSONValue { value.map { JSONValue($0) } ?? .null }
        var object: JSONObject = [
            "id": .string(key.id), "object": "api_key", "name": .string(key.name), "owner": .string(key.owner),
            "scopes": .array(key.scopes.split(separator: " ").map { .string(String($0)) }), "hint": .string(key.hint),
            "created_at": JSONValue(key.createdAt), "expires_at": number(key.expiresAt), "revoked_at": number(key.revokedAt),
            "last_used_at": number(key.lastUsedAt), "requests_per_minute": number(key.requestsPerMinute),
            "tokens_per_minute": number(key.tokensPerMinute), "max_concurrent": number(key.maxConcurrent),
            "cut_as": key.cutAs.map { .string($0) } ?? .null,
        ]
        if let secret { object["secret"] = .string(secret) }
        return .object(object)
    }

    private static func day(_ unixTime: Int) -> String {
        var seconds = time_t(unixTime)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min))Z"
    }
}

/// Durations, as users write them.
enum KeyTime {
    static let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]

    /// `90`, `30m`, `12h`, `90d`.
    static func seconds(_ text: String, flag: String) throws(Failure) -> Int {
        let unit = text.last.flatMap { units[$0] }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard let count = Int(digits), (0...10_000_000).contains(count) else {
            throw .usage("--\(flag): \"\(text)\" is not a time: give seconds, or a number with m, h or d such as 90d")
        }
        return count * (unit ?? 1)
    }
}
