import Bytes
import Glibc
import JSON
import Logging
import Network

/// Writes log records to stderr, each as one line of text or JSON. Lines are written as a whole and never mix.
struct StandardErrorLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    let format: ServeSettings.LogFormat

    static func logger(_ settings: ServeSettings) -> Logger {
        Logger(label: "interject") { _ in StandardErrorLog(logLevel: settings.logLevel, format: settings.logFormat) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        LogOutput.standardError.write(
            Self.line(format, Self.timestamp(), event.level, "\(event.message)", fields.map { ($0.key, $0.value) }))
    }

    static func line(
        _ format: ServeSettings.LogFormat, _ time: String, _ level: Logger.Level, _ message: String,
        _ fields: [(key: String, value: Logger.MetadataValue)]
    ) -> String {
        switch format {
        case .text:
            let pairs = fields.map { " \($0.key)=\(quoted("\($0.value)"))" }.joined()
            return "\(time) \(level.rawValue) \(oneLine(message))\(pairs)\n"
        case .json:
            var object: JSONObject = [
                "time": JSONValue(time), "level": JSONValue(level.rawValue), "message": JSONValue(message),
            ]
            for field in fields where object[field.key] == nil { object[field.key] = JSONValue(field.value) }
            return "\(JSONValue.object(object))\n"
        }
    }

    /// A single word as it is, anything else as a JSON string.
    private static func quoted(_ value: String) -> String {
        let separators = "\"=\u{7F}".utf8
        let isWord = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && !separators.contains($0) }
        return isWord ? value : JSONValue(value).description
    }

    /// Escapes line breaks, so that a record remains one line whatever it quotes.
    private static func oneLine(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else { return text }
        return String(JSONValue(text).description.dropFirst().dropLast())
    }

    /// The current time in UTC with milliseconds, RFC 3339.
    static func timestamp() -> String {
        let now = SystemClock.unixNanoseconds
        var seconds = time_t(now / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: some BinaryInteger, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(date)T\(time).\(padded((now / 1_000_000 % 1000).magnitude, 3))Z"
    }
}

extension JSONValue {
    /// Numbers and booleans keep their type, for log processors; anything else is text.
    init(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): self.init(text)
        case .stringConvertible(let value as any BinaryInteger): self.init(Int(clamping: value))
        case .stringConvertible(let value as Bool): self.init(value)
        case .stringConvertible(let value as Double): self.init(value)
        case .stringConvertible(let value): self.init(value.description)
        case .array(let values): self = .array(values.map { JSONValue($0) })
        case .dictionary(let members):
            self = .object(JSONObject(members.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }))
        }
    }
}
