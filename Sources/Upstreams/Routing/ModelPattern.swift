/// A model name, or a pattern in which `*` stands for any characters.
public struct ModelPattern: Sendable, Hashable {
    /// How specific a pattern is; the most specific match comes first among upstreams of the same priority.
    package enum Closeness: Int, Comparable, Sendable {
        case name, pattern, any

        package static func < (left: Closeness, right: Closeness) -> Bool { left.rawValue < right.rawValue }
    }

    /// The pattern as written.
    public let text: String

    public init(_ text: String) { self.text = text }

    /// How specific this pattern is.
    package var closeness: Closeness {
        text.allSatisfy { $0 == "*" } && !text.isEmpty ? .any : text.contains("*") ? .pattern : .name
    }

    /// Whether the pattern matches a name. Takes time of at most the product of both lengths, whatever the input.
    public func matches(_ name: String) -> Bool {
        let pattern = Array(text.utf8)
        let name = Array(name.utf8)
        let star = UInt8(ascii: "*")
        var (p, n) = (0, 0)
        // Backtracking point: where to resume after the last star when the rest does not match.
        var retry: (pattern: Int, name: Int)?
        while n < name.count {
            if p < pattern.count, pattern[p] == star {
                p += 1
                retry = (p, n)
            } else if p < pattern.count, pattern[p] == name[n] {
                p += 1
                n += 1
            } else if let last = retry {
                retry = (last.pattern, last.name + 1)
                (p, n) = (last.pattern, last.name + 1)
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == star }
    }
}
