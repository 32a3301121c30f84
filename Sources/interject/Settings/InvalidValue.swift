/// An invalid value of a setting. The caller knows where the value came from.
struct InvalidValue: Error, Equatable {
    /// The problem and the remedy, for example `"banana" is not a port: give a number from 0 to 65535`.
    let problem: String

    init(_ problem: String) { self.problem = problem }
}

/// The source of a value, for error messages.
enum SettingSource: Equatable, CustomStringConvertible {
    case flag(String)
    case environment(String)
    case file(path: String, line: Int, key: String)

    var description: String {
        switch self {
        case .flag(let name): "--\(name)"
        case .environment(let variable): variable
        case .file(let path, let line, let key): "\(path):\(line): \(key)"
        }
    }
}
