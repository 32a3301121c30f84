import JSON
import Logging
import Synchronization

/// Output of a command other than its log: errors and the start message. It has the log's format, so that with `--log-format json`
/// stderr contains only JSON.
enum Notices {
    /// Whether the settings, once resolved, ask for JSON.
    static let isJSON = Mutex(false)

    private static let servingCommand = "serve"

    /// Whether the arguments or the environment ask for JSON. Available before the settings are, since their errors use this
    /// format.
    static func wantJSON(_ arguments: [String] = CommandLine.arguments, _ environment: Environment = .process) -> Bool {
        if isJSON.withLock({ $0 }) { return true }
        // Other commands have no log.
        guard arguments.dropFirst().first == servingCommand else { return false }
        let flag = "--" + Setting.logFormat.name
        let json = ServeSettings.LogFormat.json.rawValue
        if let index = arguments.lastIndex(where: { $0 == flag || $0.hasPrefix(flag + "=") }) {
            let value =
                arguments[index] == flag ? arguments.dropFirst(index + 1).first : String(arguments[index].dropFirst(flag.count + 1))
            return value?.lowercased() == json
        }
        return environment[Setting.logFormat.variable]?.lowercased() == json
    }

    /// Reports the error that ends a command.
    static func failure(_ message: String) {
        if wantJSON() {
            LogOutput.standardError.write(StandardErrorLog.line(.json, StandardErrorLog.timestamp(), .error, message, []))
            // The process ends after this.
            LogOutput.standardError.finish(within: 500)
        } else {
            Standard.error("interject: \(message)\n")
        }
    }
}
