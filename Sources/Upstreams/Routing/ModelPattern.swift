/// Names of models: one, or with `*` for any characters many.
public struct ModelPattern: Sendable, Hashable {
    /// How closely a pattern says which model is meant; the closest comes first among upstreams of one priority.
    package enum Closeness: Int, Comparable, Sendable {
        case name, pattern, any

        package static func < (left: Closeness, right: Closeness) -> Bool { left.rawValue < right.rawValue }
    }

    public let text: String

    public init(_ text: String) { self.text = text }

    package var closeness: Closeness {
        text.allSatisfy { $0 == "*" } && !text.isEmpty ? .any : text.contains("*") ? .pattern : .name
    }

    /// Whether it stands for this name. Time: at most the product of the two lengths, whatever stands in them.
    public func matches(_ name: String) -> Bool {
        let pattern = Array(text.utf8)
        let name = Array(name.utf8)
        let star = UInt8(ascii: "*")
        var (p, n) = (0, 0)
        // Where to go on when what was tried after the last star does not fit.
        var retry: (pattern: Int, name: Int)?
        while n < name.count {
            if p < pattern.count, pattern[p] == star {
                p += 1
                retry = (p, n)
            } else if p < pattern.count, pattern[p] == name[n] {
                p += 1
                n += 1
            } else if let place = retry {
                retry = (place.pattern, place.name + 1)
                (p, n) = (place.pattern, place.name + 1)
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == star }
    }
}
