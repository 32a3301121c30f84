import Yams

/// A configuration file in YAML: a mapping from settings' names to a value or a list of values.
struct ConfigurationFile {
    struct Entry: Equatable {
        var texts: [String]
        var line: Int
    }

    let path: String
    /// Entries by name of the setting.
    private(set) var entries: [String: Entry] = [:]

    init(path: String, _ readFile: (String) throws(FileError) -> String) throws(Failure) {
        self.path = path
        let text: String
        do {
            text = try readFile(path)
        } catch {
            throw .usage("\(path): \(error)")
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw .usage("\(path): \(Self.describe(error))")
        }
        // A file in which everything is commented out is valid.
        guard let root, root.null == nil else { return }
        guard case .mapping(let mapping) = root else {
            throw .usage("\(path): line 1: this is not a mapping: write one \"name: value\" on each line")
        }
        for (key, value) in mapping {
            let line = key.mark?.line ?? 1
            let name = key.string ?? ""
            guard let setting = Setting.all.first(where: { $0.name == name && name != Setting.config.name }) else {
                throw .usage("\(path):\(line): \(name): there is no such setting\(Self.suggestion(for: name))")
            }
            entries[name] = Entry(texts: try texts(of: value, setting, line), line: line)
        }
    }

    private func texts(of node: Node, _ setting: Setting, _ line: Int) throws(Failure) -> [String] {
        switch node {
        case .scalar(let scalar):
            if node.null != nil { throw .usage("\(path):\(line): \(setting.name): the value is missing") }
            return [scalar.string]
        case .sequence(let sequence) where setting.isList:
            let texts = sequence.compactMap(\.scalar?.string)
            if texts.count == sequence.count { return texts }
        case .mapping(let mapping) where setting.isList && setting.valueName?.contains("=") == true:
            let texts = mapping.compactMap { key, value in value.scalar.map { "\(key.string ?? "")=\($0.string)" } }
            if texts.count == mapping.count { return texts }
        case .sequence, .mapping, .alias: break
        }
        throw .usage("\(path):\(line): \(setting.name): give \(setting.isList ? "one value or a list of values" : "one value")")
    }

    private static func describe(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            return "line \(mark.line), column \(mark.column): \(problem)"
        case .duplicatedKeysInMapping(let duplicates, let context):
            return "line \(context.mark.line): \(duplicates.joined(separator: ", ")) is given more than once"
        default:
            let lines = "\(error)".split(whereSeparator: \.isNewline)
            return "this is not YAML: \(lines.joined(separator: " "))"
        }
    }

    private static func suggestion(for name: String) -> String {
        let hyphenated = name.lowercased().split(separator: "_").joined(separator: "-")
        let near = Setting.all.map { ($0.name, distance($0.name, hyphenated)) }.min { $0.1 < $1.1 }
        guard let near, near.1 <= 2 else { return "; interject serve --help lists them" }
        return ": did you mean \(near.0)?"
    }

    /// The Levenshtein distance.
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (i, character) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for j in right.indices {
                let cost = min(row[j + 1] + 1, row[j] + 1, diagonal + (character == right[j] ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = cost
            }
        }
        return row[right.count]
    }
}
