import Access
import Bytes
import HTTP
import Logging
import Server
import Upstreams

/// Parsers of values: the text of a flag, variable or file to a typed value.
enum SettingValue {
    static func text(_ text: String) throws(InvalidValue) -> String {
        if text.isEmpty { throw InvalidValue("the value is empty") }
        return text
    }

    /// Parses one line of text for the model, possibly empty.
    static func wording(_ text: String) throws(InvalidValue) -> String {
        guard text.utf8.count <= 256, !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw InvalidValue("give one line of at most 256 bytes, or nothing")
        }
        return text
    }

    static func port(_ text: String) throws(InvalidValue) -> UInt16 {
        guard let port = UInt16(text) else {
            throw InvalidValue("\"\(text)\" is not a port: give a number from 0 to 65535 (0: any free port)")
        }
        return port
    }

    static func portOrNone(_ text: String) throws(InvalidValue) -> UInt16? {
        text == "none" ? nil : try port(text)
    }

    static func count(_ range: ClosedRange<Int>) -> @Sendable (String) throws(InvalidValue) -> Int {
        { (text) throws(InvalidValue) in
            guard let number = Int(text), range.contains(number) else {
                throw InvalidValue("\"\(text)\" is not a number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }

    static func seconds(_ range: ClosedRange<Double>) -> @Sendable (String) throws(InvalidValue) -> Duration {
        { (text) throws(InvalidValue) in
            guard let seconds = number(text), range.contains(seconds) else {
                let (low, high) = (decimal(range.lowerBound), decimal(range.upperBound))
                throw InvalidValue("\"\(text)\" is not a number of seconds from \(low) to \(high)")
            }
            return Duration(saturatingSeconds: seconds)
        }
    }

    /// Parses seconds, or a number with `m`, `h` or `d`: `7d`, `168h`, `604800`.
    static func time(_ range: ClosedRange<Double>) -> @Sendable (String) throws(InvalidValue) -> Duration {
        { (text) throws(InvalidValue) in
            let unit = text.last.flatMap { KeyTime.units[$0] }
            let count = number(unit == nil ? text : String(text.dropLast()))
            guard let seconds = count.map({ $0 * Double(unit ?? 1) }), range.contains(seconds) else {
                let (low, high) = (decimal(range.lowerBound), decimal(range.upperBound))
                throw InvalidValue(
                    "\"\(text)\" is not a time from \(low) to \(high) seconds: give seconds, or a number with m, h or d such as 7d")
            }
            return Duration(saturatingSeconds: seconds)
        }
    }

    /// Parses decimal digits with an optional point, a subset of what `Double` accepts.
    private static func number(_ text: String) -> Double? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".") }
            ? Double(text) : nil
    }

    /// Formats `0.5` and `15`: whole numbers without a fraction.
    static func decimal(_ number: Double) -> String {
        number == number.rounded() && abs(number) < 1e15 ? String(Int(saturating: number)) : String(number)
    }

    private static let byteUnits: [(suffix: String, factor: Int)] = [
        ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("kb", 1000), ("mb", 1_000_000), ("gb", 1_000_000_000),
        ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("b", 1),
    ]

    /// Parses `1048576`, `64MiB`, `1.5GiB`, `64MB`.
    static func bytes(_ range: ClosedRange<Int>) -> @Sendable (String) throws(InvalidValue) -> Int {
        { (text) throws(InvalidValue) in
            let lower = text.lowercased()
            let unit = byteUnits.first { lower.hasSuffix($0.suffix) } ?? ("", 1)
            var digits = lower.dropLast(unit.suffix.count)
            while digits.last == " " { digits.removeLast() }
            guard let count = number(String(digits)), count * Double(unit.factor) <= Double(range.upperBound),
                case let bytes = Int(saturating: count * Double(unit.factor)), range.contains(bytes)
            else {
                let (low, high) = (describe(bytes: range.lowerBound), describe(bytes: range.upperBound))
                throw InvalidValue("\"\(text)\" is not a number of bytes from \(low) to \(high), such as 1048576 or 64MiB")
            }
            return bytes
        }
    }

    static func describe(bytes: Int) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes >= 1 << shift && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return String(bytes)
    }

    static func bool(_ text: String) throws(InvalidValue) -> Bool {
        switch text.lowercased() {
        case "true", "yes", "1": return true
        case "false", "no", "0": return false
        default: throw InvalidValue("\"\(text)\" is neither true nor false")
        }
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ text: String
    ) throws(InvalidValue) -> Choice {
        if let choice = Choice(rawValue: text.lowercased()) { return choice }
        throw InvalidValue("\"\(text)\" is none of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
    }

    /// Parses the origin of a web page in the form that browsers send; `*` for any, `null` for pages without one.
    static func origin(_ text: String) throws(InvalidValue) -> String {
        if text == "*" || text == "null" { return text }
        guard let origin = WebOrigin(text) else {
            throw InvalidValue(
                "\"\(text)\" is not an origin: give scheme, host and port without a path, such as https://example.com, or * for any"
            )
        }
        return origin.description
    }

    /// Parses `NAME=SECRET`, or a secret alone. Errors do not quote the value, which may be a secret.
    static func principal(_ text: String) throws(InvalidValue) -> AccessSettings.Principal {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty {
            if ReservedNames.contains(parts[0]) {
                throw InvalidValue("\"\(parts[0])\" is reserved: \(ReservedNames.text); give another NAME")
            }
            return AccessSettings.Principal(name: parts[0], key: try secret(parts[1]))
        }
        guard parts.count == 1, text.utf8.count >= minBareSecretBytes || text.hasPrefix("env:") || text.hasPrefix("file:") else {
            throw InvalidValue("give NAME=SECRET, or a secret alone of at least \(minBareSecretBytes) characters")
        }
        return AccessSettings.Principal(name: "default", key: try secret(text))
    }

    /// A shorter word is more likely a name without its secret.
    static let minBareSecretBytes = 16

    /// Parses a secret, or its source: `env:NAME`, `file:PATH`.
    static func secret(_ text: String) throws(InvalidValue) -> String {
        if text.hasPrefix("env:") {
            let name = String(text.dropFirst(4))
            guard let value = Environment.process[name], !value.isEmpty else {
                throw InvalidValue("the environment variable \(name) is not set")
            }
            return value
        }
        if text.hasPrefix("file:") {
            let path = String(text.dropFirst(5))
            do {
                let contents = try Files.read(path)
                let line = contents.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
                if line.isEmpty { throw InvalidValue("\(path) is empty") }
                return line
            } catch let error as FileError {
                throw InvalidValue("\(path): \(error)")
            } catch {
                throw InvalidValue("\(path) is empty")
            }
        }
        if text.isEmpty { throw InvalidValue("the value is empty") }
        return text
    }

    struct Mapping: Equatable, Sendable {
        var publicName: String
        var upstreamName: String
    }

    static func mapping(_ text: String) throws(InvalidValue) -> Mapping {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { throw InvalidValue("\"\(text)\" is not PUBLIC=UPSTREAM") }
        return Mapping(publicName: parts[0], upstreamName: parts[1])
    }
}
