/// An invalid value of a setting; the caller knows its source.
struct InvalidValue: Error, Equatable {
    /// What is wrong and what would be right, for example `"banana" is not a port: give a number from 0 to 65535`.
    let problem: String

    init(_ problem: String) { self.problem = problem }
}

/// Where a value was found; errors name it.
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
