import Bytes
import JSON
import Upstreams

/// All upstreams and the distribution of requests, from a JSON file. See `Protocols/upstreams.md`, Several upstreams.
struct UpstreamsFile: Sendable, Equatable {
    private(set) var upstreams: [UpstreamURL] = []
    private(set) var routing = RoutingOptions()

    /// Reads the file at a path.
    static func read(_ path: String) throws(InvalidValue) -> UpstreamsFile {
        let text: String
        do throws(FileError) {
            text = try Files.read(path)
        } catch {
            throw InvalidValue("\(path): \(error)")
        }
        do throws(InvalidValue) {
            return try UpstreamsFile(text)
        } catch {
            throw InvalidValue("\(path)\(error.problem)")
        }
    }

    /// - Throws: a problem with the prefix `:line: member: `.
    init(_ text: String) throws(InvalidValue) {
        var text = text
        let result: Result<UpstreamsFile, InvalidValue> = text.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            return Result { () throws(InvalidValue) in
                var file = UpstreamsFile()
                do throws(JSONError) {
                    // Parses all of it first, so that invalid JSON is reported as such.
                    _ = try JSONValue.parse(bytes)
                } catch {
                    throw InvalidValue(":\(Self.line(of: error.byteOffset, in: bytes)): \(error.reason.advice)")
                }
                var reader = MemberReader(bytes)
                do throws(InvalidValue) {
                    try file.read(&reader)
                } catch {
                    throw error.problem.hasPrefix(":") ? error : InvalidValue(":1: \(error.problem)")
                }
                return file
            }
        }
        self = try result.get()
        if upstreams.isEmpty { throw InvalidValue(":1: upstreams: the list of upstreams is missing or empty") }
        if upstreams.count > RoutingOptions.maxUpstreams {
            throw InvalidValue(
                ":1: upstreams: there are \(upstreams.count), but at most \(RoutingOptions.maxUpstreams) are possible")
        }
    }

    private init() {}

    private mutating func read(_ reader: inout MemberReader) throws(InvalidValue) {
        try reader.object { (member, reader) throws(InvalidValue) in
            switch member {
            case "upstreams":
                try reader.array { (reader) throws(InvalidValue) in upstreams.append(try Self.upstream(&reader)) }
            case "balance":
                routing.balance = try SettingValue.choice(UpstreamMembers.text(try reader.value()))
            case "max_attempts": routing.maxAttempts = try UpstreamMembers.count(try reader.value(), 1...100)
            case "probe_s": routing.probeInterval = try UpstreamMembers.seconds(try reader.value(), 0.1...86_400)
            case "queue":
                try reader.object { (member, reader) throws(InvalidValue) in
                    switch member {
                    case "max_waiting": routing.maxWaiting = try UpstreamMembers.count(try reader.value(), 0...100_000)
                    case "timeout_s": routing.waitTimeout = try UpstreamMembers.seconds(try reader.value(), 0...3600)
                    default: throw InvalidValue.unknownMember(of: "queue", ["max_waiting", "timeout_s"])
                    }
                }
            case "breaker":
                try reader.object { (member, reader) throws(InvalidValue) in
                    let value = try reader.value()
                    switch member {
                    case "max_consecutive_failures":
                        routing.breaker.maxConsecutiveFailures = try UpstreamMembers.count(value, 1...1_000_000)
                    case "max_failure_ratio":
                        guard let ratio = value.double, ratio > 0, ratio <= 1 else {
                            throw InvalidValue("give a number above 0, up to 1")
                        }
                        routing.breaker.maxFailureRatio = ratio
                    case "open_s": routing.breaker.openDuration = try UpstreamMembers.seconds(value, 0.05...86_400)
                    case "max_open_s": routing.breaker.maxOpenDuration = try UpstreamMembers.seconds(value, 0.05...86_400)
                    default:
                        throw InvalidValue.unknownMember(
                            of: "breaker", ["max_consecutive_failures", "max_failure_ratio", "open_s", "max_open_s"])
                    }
                }
            default:
                throw InvalidValue.unknownMember(
                    of: "the file", ["upstreams", "balance", "max_attempts", "queue", "breaker", "probe_s"])
            }
        }
    }

    private static func upstream(_ reader: inout MemberReader) throws(InvalidValue) -> UpstreamURL {
        var url: String?
        var dialect: String?
        var members = UpstreamMembers()
        let location = reader.location
        try reader.object { (member, reader) throws(InvalidValue) in
            let value = try reader.value()
            switch member {
            case "url":
                url = try UpstreamMembers.text(value)
                _ = try UpstreamURL.read(url ?? "")
            case "dialect":
                let choice: UpstreamConfiguration.Dialect = try SettingValue.choice(try UpstreamMembers.text(value))
                dialect = choice.rawValue
            default:
                try members.set(member, value)
            }
        }
        guard let url else { throw InvalidValue("\(location) url: the upstream's URL is missing") }
        var upstream = try UpstreamURL.read((dialect.map { $0 + "+" } ?? "") + url)
        upstream.members = members
        return upstream
    }

    fileprivate static func line(of offset: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        bytes.prefix(offset).count { $0 == UInt8(ascii: "\n") } + 1
    }
}

/// Reads objects and lists. Errors state the line and the member.
private struct MemberReader {
    private let bytes: UnsafeRawBufferPointer
    private var json: JSONReader

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        json = JSONReader(bytes)
    }

    /// `:line:`
    var location: String { ":\(UpstreamsFile.line(of: json.byteOffset, in: bytes)):" }

    mutating func object(
        _ body: (String, inout MemberReader) throws(InvalidValue) -> Void
    ) throws(InvalidValue) {
        try checked { (reader) throws(JSONError) in try reader.enterObject() }
        var seen: Set<String> = []
        while let member = try checked({ (reader) throws(JSONError) in try reader.nextKey()?.string() }) {
            let location = location
            do throws(InvalidValue) {
                if !seen.insert(member).inserted { throw InvalidValue("is given more than once") }
                try body(member, &self)
            } catch {
                // Only the innermost invalid member is named; the enclosing ones add nothing.
                throw error.problem.hasPrefix(":") ? error : InvalidValue("\(location) \(member): \(error.problem)")
            }
        }
    }

    mutating func array(_ body: (inout MemberReader) throws(InvalidValue) -> Void) throws(InvalidValue) {
        try checked { (reader) throws(JSONError) in try reader.enterArray() }
        while try checked({ (reader) throws(JSONError) in try reader.nextElement() }) { try body(&self) }
    }

    mutating func value() throws(InvalidValue) -> JSONValue {
        try checked { (reader) throws(JSONError) in try reader.readValue() }
    }

    private mutating func checked<Result>(
        _ body: (inout JSONReader) throws(JSONError) -> Result
    ) throws(InvalidValue) -> Result {
        do throws(JSONError) {
            return try body(&json)
        } catch {
            throw InvalidValue(error.reason.advice)
        }
    }
}
